package cleanup

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/volume"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// named is an engine with images that have much in common.
func named() observed {
	digested := picture("d19e57ed0000", 1<<20, labels("coach", ""), "coach/redis:pushed")
	digested.RepoDigests = []string{"coach/redis@sha256:" + strings.Repeat("ab", 32)}
	child := picture("c411d0000000", 1<<20, labels("coach", ""))
	child.ParentID = "sha256:9a5e9700000"
	parent := picture("9a5e9700000", 1<<20, labels("coach", ""), "coach/redis:parent")
	hidden := picture("41dde4000000", 1<<20, labels("coach", ""))
	grandchild := picture("64a9d0000000", 1<<20, labels("coach", ""), "coach/redis:of-hidden")
	grandchild.ParentID = hidden.ID
	seen := observed{now: now, folder: here, builderCache: -1, images: []image.Summary{
		digested, child, parent, grandchild,
		picture("aaaa10000000", 1<<20, labels("coach", ""), "coach/redis:1"),
		picture("aaaa20000000", 1<<20, labels("coach", ""), "coach/redis:2", "coach/redis:two"),
		picture("bbbb10000000", 1<<20, labels("coach", "")),
		picture("cccc10000000", 1<<20, labels("coach", ""), "bbbb1:latest"),
		picture("dddd10000000", 1<<20, labels("coach", ""), "coach/redis:used", "coach/redis:spare"),
		picture("eeee10000000", 1<<20, labels("coach", ""), "coach/redis:latest"),
		picture("ffff10000000", 1<<20, labels("shop", ""), "shop/web:1"),
		picture("ffff20000000", 1<<20, nil, "debian:bookworm"),
	}, containers: []moby.Summary{
		box("coach-redis-1", moby.StateExited, "sha256:dddd10000000", labels("coach", "redis")),
	}}
	seen = withImages(seen)
	seen.every = append(seen.every, hidden)
	return seen
}

func TestImagesByName(t *testing.T) {
	for names, want := range map[string]string{
		"coach/redis:1": "aaaa10000000", "docker.io/coach/redis:1": "aaaa10000000", "aaaa1": "aaaa10000000",
		"sha256:aaaa10000000": "aaaa10000000", "aaaa10000000": "aaaa10000000",
		"coach/redis:2":                 "aaaa20000000 loses coach/redis:2",
		"coach/redis:2,coach/redis:two": "aaaa20000000", "coach/redis:2,aaaa2": "aaaa20000000",
		"bbbb10": "bbbb10000000", "coach/redis:spare": "dddd10000000 loses coach/redis:spare",
		"coach/redis": "eeee10000000",
		"coach/redis@sha256:" + strings.Repeat("ab", 32): "d19e57ed0000", "coach/redis:1,aaaa1": "aaaa10000000",
		"aaaa": `"aaaa" may be any of aaaa10000000 (coach/redis:1) and aaaa20000000 ` +
			`(coach/redis:2, coach/redis:two): nothing was removed`,
		"bbbb1": `"bbbb1" may be any of cccc10000000 (bbbb1:latest) and bbbb10000000: ` +
			`nothing was removed`,
		"aaaa2": `image "aaaa20000000" has several names: coach/redis:2, coach/redis:two`,
		"dddd1": `image "dddd10000000" has several names: coach/redis:used, ` +
			`coach/redis:spare`,
		"coach/redis:used,coach/redis:spare": `image "coach/redis:used, coach/redis:spare" is in use by container ` +
			`"coach-redis-1"`,
		"coach/redis:parent": `image "coach/redis:parent" can't go before image c411d0000000, ` +
			`which was made from it`,
		"41dde4": `image "41dde4" can't go before image coach/redis:of-hidden, which ` +
			`was made from it`,
		"shop/web:1":                          `image "shop/web:1" is not of project "coach": it stays`,
		"debian:bookworm":                     `image "debian:bookworm" is not of project "coach": it stays`,
		"ffff1":                               `image "ffff1" is not of project "coach": it stays`,
		"coach/redis:l":                       `there is no image "coach/redis:l"`,
		"coach/rediss":                        `there is no image "coach/rediss"`,
		"aaa":                                 `there is no image "aaa"`,
		"sha256:":                             `there is no image "sha256:"`,
		"":                                    `there is no image ""`,
		"coach/*":                             `there is no image "coach/*"`,
		"coach/redis:1,coach/redis:nonesuch1": `there is no image "coach/redis:nonesuch1"`,
	} {
		t.Run(names, func(t *testing.T) {
			plan, err := decide(named(), coach(), Options{Scope: Project, Images: strings.Split(names, ",")})
			if err != nil {
				var f *fault.Error
				if first, _, _ := strings.Cut(err.Error(), "\n"); !errors.As(err, &f) || f.Code != fault.Usage ||
					f.Next == "" || strings.TrimSuffix(first, suggestion(first)) != want {
					t.Errorf("got %v, want %s", err, want)
				}
				return
			}
			var got []string
			for _, i := range plan.Remove {
				text := short(i.ID)
				if i.untag != nil {
					text += " loses " + strings.Join(i.untag, " ")
				}
				got = append(got, text)
			}
			if strings.Join(got, ", ") != want {
				t.Errorf("goes %q, want %q", got, want)
			}
		})
	}
}

// suggestion is the "did you mean" at the end of a line.
func suggestion(line string) string {
	if at := strings.Index(line, " (did you mean"); at >= 0 {
		return line[at:]
	}
	return ""
}

// Of the whole host any image goes that is named, and by its name alone one of another project.
func TestImagesByNameOfTheHost(t *testing.T) {
	plan, err := decide(named(), coach(), Options{Scope: Host, Images: []string{"shop/web:1", "ffff2"}})
	if err != nil {
		t.Fatal(err)
	}
	goes := func(id string) bool {
		return slices.ContainsFunc(plan.Remove, func(i Item) bool { return i.Kind == Image && short(i.ID) == id })
	}
	if !goes("ffff10000000") || !goes("ffff20000000") || goes("bbbb10000000") {
		t.Errorf("goes: %+v", plan.Remove)
	}
}

// A word may be the key of one volume and the full name of another, and one volume's key that of another too: none is
// guessed.
func TestAVolumesNameThatMeansSeveral(t *testing.T) {
	seen := observed{now: now, builderCache: -1, volumes: []volume.Volume{
		vol("coach_data", "data", "coach", "data", 1), vol("data", "other", "coach", "data", 1),
		vol("coach_old", "twice", "coach", "data", 1), vol("renamed", "twice", "coach", "data", 1),
		vol("files", "files", "shop", "data", 1), vol("coach_files", "files", "coach", "data", 1),
	}}
	for name, want := range map[string]string{
		"data":       `"data" may be any of the volumes coach_data and data`,
		"twice":      `"twice" may be any of the volumes coach_old and renamed`,
		"coach_data": "coach_data", "other": "data", "renamed": "renamed", "files": "coach_files",
	} {
		for range 2 { // in both orders
			slices.Reverse(seen.volumes)
			plan, err := decide(seen, coach(), Options{Scope: Project, Volumes: []string{name}})
			switch {
			case err != nil && !strings.HasPrefix(err.Error(), want):
				t.Errorf("%s: got %v, want %s", name, err, want)
			case err == nil && (len(plan.Remove) != 1 || plan.Remove[0].Name != want):
				t.Errorf("%s: goes %+v, want %s", name, plan.Remove, want)
			}
		}
	}
}

func TestThePlanFitsTheTerminal(t *testing.T) {
	for _, scope := range []Scope{Project, Host} {
		plan, err := decide(host(), coach(), Options{Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		for columns := 40; columns <= 200; columns++ {
			var b bytes.Buffer
			plan.Print(ui.New(ui.Within(&b, columns)))
			for line := range strings.Lines(b.String()) {
				if width := ansi.StringWidth(strings.TrimRight(line, "\n")); width > columns {
					t.Fatalf("%d columns of %d: %s", width, columns, fmt.Sprintf("%q", line))
				}
			}
		}
	}
}
