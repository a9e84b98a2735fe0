package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/diskspace"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// A download that makes no progress is tried maxStalls times; any progress starts the count anew.
const maxStalls = 5

// Variables, so that tests need not wait.
var (
	stallTimeout = 30 * time.Second // without a byte, the connection counts as dead
	firstPause   = time.Second      // doubled after each try without progress
)

const (
	// spare is what stays free on a disk beyond the model itself, in bytes.
	spare = 256 << 20
	// maxModel is far above the largest that whisper.cpp publishes, which has 3.1 GB: no server fills the disk with
	// more.
	maxModel = 8 << 30
	// leastProgress is what has to arrive within stallTimeout to count as progress, in bytes.
	leastProgress = 32 << 10
	// roomEvery is after how many bytes the disk is looked at again, where the server did not say how many come.
	roomEvery = 64 << 20
)

type download struct {
	client    *http.Client
	url       string
	dir, file string
	most      int64 // bytes that the file may have
}

// errPermanent marks what another try would not mend.
type errPermanent struct{ error }

func (e errPermanent) Unwrap() error { return e.error }

// size asks how large the file is, in bytes.
func (d download) size(ctx context.Context) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, d.url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength <= 0 {
		return 0, fmt.Errorf("%s", resp.Status)
	}
	return resp.ContentLength, nil
}

// fetch leaves the whole file, not checked yet, at d.path(). It resumes what an earlier run left, and tries again
// while there is progress.
func (d download) fetch(ctx context.Context, report func(string)) error {
	if _, err := os.Stat(d.path()); err == nil {
		return nil // fetched by a run that ended before it was placed
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for downloads: %w", err)
	}
	pause := firstPause
	for stalls := 0; ; {
		had := size(d.part())
		err := d.attempt(ctx, report)
		if err == nil {
			_ = os.Remove(d.etag())
			return os.Rename(d.part(), d.path())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.As(err, &errPermanent{}) {
			return err
		}
		if size(d.part()) >= had+leastProgress {
			stalls, pause = 0, firstPause
		}
		if stalls++; stalls >= maxStalls {
			return fault.New(fault.Failed, "go tool mage models again: it resumes at "+ui.Bytes(size(d.part())),
				"fetching %q: %w", d.url, err)
		}
		report(fmt.Sprintf("interrupted (%v), trying again", err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// attempt makes one request, for the part that is missing, and appends what arrives.
func (d download) attempt(ctx context.Context, report func(string)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(stallTimeout,
		func() { cancel(fmt.Errorf("less than %s arrived within %s", ui.Bytes(leastProgress), stallTimeout)) })
	defer stall.Stop()
	from := size(d.part())
	resp, err := d.request(ctx, from)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	defer resp.Body.Close()
	var total int64
	switch resp.StatusCode {
	case http.StatusPartialContent:
		start, all, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || start != from {
			return d.restart(fmt.Errorf("asked for byte %d, got %q", from, resp.Header.Get("Content-Range")))
		}
		total = all
	case http.StatusOK: // from the start: no support for ranges, or another file than the part is of
		from, total = 0, resp.ContentLength
	case http.StatusRequestedRangeNotSatisfiable:
		if _, all, _ := contentRange(resp.Header.Get("Content-Range")); all == from && from > 0 {
			return nil // the part is the whole
		}
		return d.restart(errors.New("the part is longer than the file"))
	default:
		return refused(d.url, resp)
	}
	if max(total, from) > d.most {
		return d.tooLarge()
	}
	if err := d.room(total - from); err != nil {
		return errPermanent{err}
	}
	d.remember(resp.Header.Get("ETag"))
	return d.write(ctx, resp.Body, from, total, stall, report)
}

// request asks for the bytes from from on, provided that the file is still the one that the part is of.
func (d download) request(ctx context.Context, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return nil, errPermanent{fault.New(fault.Usage, "", "fetching a model: %w", err)}
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		if tag, err := bounded.ReadFile(d.etag()); err == nil {
			req.Header.Set("If-Range", string(tag))
		}
	}
	return d.client.Do(req)
}

// write appends body to the part, from byte from on, until total bytes are there. total is -1 where the server does
// not say.
func (d download) write(ctx context.Context, body io.Reader, from, total int64, stall *time.Timer,
	report func(string),
) error {
	f, err := os.OpenFile(d.part(), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return errPermanent{err}
	}
	defer f.Close()
	if err := f.Truncate(from); err != nil {
		return errPermanent{err}
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return errPermanent{err}
	}
	p := progress{at: from, from: from, total: total, start: time.Now(), report: report}
	buffer, moved := make([]byte, 256<<10), 0
	for {
		n, err := body.Read(buffer)
		if _, werr := f.Write(buffer[:n]); werr != nil {
			return errPermanent{fault.New(fault.Resources, "go tool mage cleanup", "writing %q: %w", d.part(), werr)}
		}
		if moved += n; moved >= leastProgress {
			stall.Reset(stallTimeout)
			moved = 0
		}
		if err := d.fits(&p, n); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF) && total >= 0 && p.at != total:
			return fmt.Errorf("the connection ended at byte %d of %d", p.at, total)
		case errors.Is(err, io.EOF):
			return f.Close()
		case err != nil:
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// fits counts n bytes that were written, and says whether there may be more.
func (d download) fits(p *progress, n int) error {
	before := p.at
	p.add(int64(n))
	switch {
	case p.at > d.most:
		return d.tooLarge()
	case p.total >= 0 && p.at > p.total:
		return d.restart(fmt.Errorf("more than the %d bytes arrived that the server had announced", p.total))
	case p.total < 0 && p.at/roomEvery > before/roomEvery:
		if err := d.room(1); err != nil {
			return errPermanent{err}
		}
	}
	return nil
}

// tooLarge drops the part of what is no model.
func (d download) tooLarge() error {
	limit := fault.New(fault.Failed, "check the model's name and "+URLVariable,
		"fetching %q: %w: a model has at most %s", d.url, bounded.ErrTooLarge, ui.Bytes(d.most))
	return errPermanent{d.restart(limit)}
}

// restart drops the part, so that the next attempt begins at byte 0.
func (d download) restart(why error) error {
	if err := os.Remove(d.part()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errPermanent{err}
	}
	return why
}

// remember keeps a strong ETag for If-Range; a weak one does not vouch for bytes, so then nothing is kept.
func (d download) remember(tag string) {
	if tag == "" || strings.HasPrefix(tag, "W/") {
		_ = os.Remove(d.etag())
		return
	}
	_ = os.WriteFile(d.etag(), []byte(tag), 0o644)
}

// room refuses a download for which the disk has no space.
func (d download) room(need int64) error {
	space, err := diskspace.Of(d.dir)
	if err == nil && need > 0 && space.Free < need+spare {
		return fault.New(fault.Resources, "go tool mage cleanup",
			"fetching %q: it takes %s more, and the disk of %q has %s free",
			d.url, ui.Bytes(need), d.dir, ui.Bytes(space.Free))
	}
	return nil
}

// refused turns an HTTP status into an error: one that passes (overload) or one that stays (not found, forbidden).
func refused(url string, resp *http.Response) error {
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests ||
		resp.StatusCode == http.StatusRequestTimeout {
		return errors.New(resp.Status)
	}
	return errPermanent{
		fault.New(fault.Failed, "check the model's name and "+URLVariable, "fetching %q: the server answers %s", url,
			resp.Status),
	}
}

// contentRange reads "bytes 10-99/100", or "bytes */100" with start 0.
func contentRange(header string) (start, total int64, ok bool) {
	span, all, found := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	if !found {
		return 0, -1, false
	}
	total, err := strconv.ParseInt(all, 10, 64)
	if err != nil {
		return 0, -1, false
	}
	first, _, dash := strings.Cut(span, "-")
	if !dash {
		return 0, total, span == "*"
	}
	start, err = strconv.ParseInt(first, 10, 64)
	return start, total, err == nil
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// progress reports a download a few times a second.
type progress struct {
	at, from, total int64
	start, said     time.Time
	report          func(string)
}

func (p *progress) add(n int64) {
	if p.at += n; n == 0 {
		return
	}
	if time.Since(p.said) < 200*time.Millisecond && p.at != p.total {
		return
	}
	p.said = time.Now()
	rate := float64(p.at-p.from) / max(time.Since(p.start).Seconds(), 0.001)
	text := fmt.Sprintf("%s, %s/s", ui.Bytes(p.at), ui.Bytes(int64(rate)))
	if p.total > 0 {
		text = fmt.Sprintf("%d %% of %s, %s/s", 100*p.at/p.total, ui.Bytes(p.total), ui.Bytes(int64(rate)))
		if left := time.Duration(float64(p.total-p.at) / max(rate, 1) * float64(time.Second)); left > time.Second {
			text += ", " + ui.Seconds(left) + " left"
		}
	}
	p.report(text)
}
