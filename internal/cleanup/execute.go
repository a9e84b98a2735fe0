package cleanup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"github.com/25eloquence/compose-mage/internal/container"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// errStays is why an item that the plan removes is left alone after all.
type errStays struct{ why string }

func (e errStays) Error() string { return e.why }

// Execute removes what the plan says. Each item is looked at again just before: an item that came into use, got a
// name or changed hands since the plan was made stays, and a line says so. Nothing is ever forced, so the engine
// refuses what changes between the look and the removal. Items that fail for another reason do not stop the rest; the
// error names them all.
func Execute(ctx context.Context, api API, plan Plan, out *ui.Out) error {
	var freed int64
	var failed []error
	for _, item := range plan.Remove {
		if err := ctx.Err(); err != nil {
			return err
		}
		bytes, err := plan.removeItem(ctx, api, item)
		var stays errStays
		switch {
		case errors.As(err, &stays):
			out.Info("%s %s stays: %s", item.Kind, item.Name, stays.why)
		case errdefs.IsNotFound(err):
			out.Info("%s %s is already gone", item.Kind, item.Name)
		case errdefs.IsConflict(err):
			out.Info("%s %s stays: the engine says that it is in use", item.Kind, item.Name)
		case err != nil:
			out.Warn("%s %s could not be removed", item.Kind, item.Name)
			failed = append(failed, fmt.Errorf("removing %s %q: %w", item.Kind, item.Name, err))
		default:
			freed += bytes
			if item.Kind == Image && item.untag == nil {
				plan.gone = append(plan.gone, item.ID)
			}
			out.Done("removed %s %s (%s)", item.Kind, item.Name, ui.Bytes(bytes))
		}
	}
	out.Info("freed %s", ui.Bytes(freed))
	if err := plan.builds.Forget(ctx, plan.gone...); err != nil {
		failed = append(failed, err)
	}
	if len(failed) > 0 {
		return fault.New(fault.Failed, "go tool mage cleanup", "cleaning up: %w", errors.Join(failed...))
	}
	return nil
}

func (p Plan) removeItem(ctx context.Context, api API, item Item) (int64, error) {
	switch item.Kind {
	case Container:
		return item.Bytes, p.removeContainer(ctx, api, item)
	case Image:
		return item.Bytes, removeImage(ctx, api, item)
	case Network:
		return 0, removeNetwork(ctx, api, item)
	case Volume:
		return item.Bytes, p.removeVolume(ctx, api, item)
	case EngineCache:
		got, err := api.BuildCachePrune(ctx, client.BuildCachePruneOptions{All: true, ReservedSpace: p.budget})
		return int64(got.Report.SpaceReclaimed), err
	case BuilderCache:
		return p.builder.Prune(ctx, p.budget)
	}
	return 0, fmt.Errorf("unknown kind %q", item.Kind)
}

func (p Plan) removeContainer(ctx context.Context, api API, item Item) error {
	got, err := api.ContainerInspect(ctx, item.ID, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	if s := got.Container.State; s != nil && active(s.Status) {
		return errStays{"it is " + string(s.Status) + " now"}
	}
	if item.anonymousVolumes { // what they hold, and who else has them, only a whole look tells
		if err := p.stillGoes(ctx, item); err != nil {
			return err
		}
	}
	// RemoveVolumes stays off: an anonymous volume may hold data too.
	_, err = api.ContainerRemove(ctx, item.ID, client.ContainerRemoveOptions{})
	return err
}

// stillGoes plans anew, and gives the reason where the item would stay now.
func (p Plan) stillGoes(ctx context.Context, item Item) error {
	now, err := p.replan(ctx)
	if err != nil {
		return err
	}
	same := func(i Item) bool { return i.Kind == item.Kind && i.ID == item.ID }
	if slices.ContainsFunc(now.Remove, same) {
		return nil
	}
	if at := slices.IndexFunc(now.Keep, same); at >= 0 {
		return errStays{now.Keep[at].Why}
	}
	return errStays{"it changed hands"}
}

// removeImage removes the image or, where others of its names are left, just the names that were asked for.
func removeImage(ctx context.Context, api API, item Item) error {
	if item.untag != nil {
		return untag(ctx, api, item, item.untag)
	}
	got, err := api.ImageInspect(ctx, item.ID)
	if err != nil {
		return err
	}
	tags := realTags(image.Summary{RepoTags: got.RepoTags})
	for _, t := range tags {
		if !slices.Contains(item.Tags, t) {
			return errStays{"it is named " + t + " now"}
		}
	}
	users, err := api.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return err
	}
	for _, c := range users.Items {
		if c.ImageID == item.ID {
			return errStays{"container " + containerName(c) + " uses it now"}
		}
	}
	images, err := api.ImageList(ctx, client.ImageListOptions{All: true})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(images.Items, func(i image.Summary) bool { return i.ParentID == item.ID }) {
		return errStays{"an image was made from it"}
	}
	if len(tags) > 1 { // by ID the engine refuses an image with several names, unless forced
		if err := untag(ctx, api, item, tags[1:]); err != nil {
			return err
		}
	}
	// Its parents stay: they are not in the plan.
	_, err = api.ImageRemove(ctx, item.ID, client.ImageRemoveOptions{})
	return err
}

// untag takes names from an image that has others. A name that belongs to another image by now stays.
func untag(ctx context.Context, api API, item Item, names []string) error {
	for _, name := range names {
		got, err := api.ImageInspect(ctx, name)
		if err != nil {
			return err
		}
		if got.ID != item.ID {
			return errStays{name + " is another image now"}
		}
		if len(realTags(image.Summary{RepoTags: got.RepoTags})) < 2 {
			return errStays{name + " is its only name now"}
		}
		if _, err := api.ImageRemove(ctx, name, client.ImageRemoveOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func removeNetwork(ctx context.Context, api API, item Item) error {
	got, err := api.NetworkInspect(ctx, item.ID, client.NetworkInspectOptions{})
	if err != nil {
		return err
	}
	if len(got.Network.Containers) > 0 {
		return errStays{"a container is on it now"}
	}
	all, err := api.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		return err
	}
	for _, c := range all.Items { // stopped ones too: without their network they could not start again
		if onNetwork(c, item.ID, item.Name) {
			return errStays{"container " + containerName(c) + " is on it now"}
		}
	}
	_, err = api.NetworkRemove(ctx, item.ID, client.NetworkRemoveOptions{})
	if errdefs.IsPermissionDenied(err) { // "has active endpoints" is a 403
		return errStays{
			"the engine says that it is in use: a container has just joined it, or the engine kept what one left " +
				"behind, which its restart clears",
		}
	}
	return err
}

func (p Plan) removeVolume(ctx context.Context, api API, item Item) error {
	got, err := api.VolumeInspect(ctx, item.ID, client.VolumeInspectOptions{})
	if err != nil {
		return err
	}
	if got.Volume.Labels[container.ProjectLabel] != p.Project {
		return errStays{"another one has taken its name, which is not of this project"}
	}
	if got.Volume.CreatedAt != item.createdAt {
		return errStays{"another one has taken its name"}
	}
	_, err = api.VolumeRemove(ctx, item.ID, client.VolumeRemoveOptions{})
	return err
}
