package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/fault"
)

// windows has no mode bits for others.
const windows = runtime.GOOS == "windows"

const (
	answerWithin = 5 * time.Second
	// largestManifest is the most that a manifest or a configuration may have, in bytes, as registries limit it.
	largestManifest = 4 << 20
)

// Local is the registry that setup started on this machine, as its clients see it.
type Local struct {
	Address string // host:port
	client  *http.Client
	keyless error // why it can't be asked
}

// Open gives the registry at address, known by the keys in the state directory. Nothing is asked yet; where the keys
// can't be had, every question is answered with the reason.
func Open(stateDir, address string) *Local {
	config, err := IdentityIn(stateDir).TLS()
	return &Local{Address: address, keyless: err, client: &http.Client{
		// No proxy: it would be told the machine's own addresses, and can't reach them.
		Transport: &http.Transport{TLSClientConfig: config, TLSHandshakeTimeout: answerWithin, DisableKeepAlives: true},
		// A registry on the loopback has nowhere to send its clients.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Answers asks the registry for its API version. What is no registry, or not this one, is an error.
func (l *Local) Answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	resp, err := l.ask(ctx, http.MethodGet, "/v2/")
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Docker-Distribution-Api-Version") == "" {
		return fmt.Errorf("asking %s: %s, and it is no registry's", l.Address, resp.Status)
	}
	return nil
}

// Digest gives the digest that a name of Docker Hub's has in the registry ("debian:bookworm-slim"); "" where the
// registry lacks it.
func (l *Local) Digest(ctx context.Context, name string) (digest.Digest, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	repository, tag, _ := strings.Cut(name, ":")
	resp, err := l.ask(ctx, http.MethodHead, "/v2/library/"+repository+"/manifests/"+tag)
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		d, err := digest.Parse(resp.Header.Get("Docker-Content-Digest"))
		if err != nil {
			return "",
				fmt.Errorf("asking the registry at %s for %q: the digest %q: %w", l.Address, name,
					resp.Header.Get("Docker-Content-Digest"), err)
		}
		return d, nil
	case http.StatusNotFound:
		return "", nil
	}
	return "", fmt.Errorf("asking the registry at %s for %q: %s", l.Address, name, resp.Status)
}

// Manifest gives an image's manifest by its digest, which it is checked against, and its text.
func (l *Local) Manifest(
	ctx context.Context, name string, d digest.Digest,
) (m ocispecs.Manifest, text []byte, err error) {
	repository, _, _ := strings.Cut(name, ":")
	text, err = l.read(ctx, "/v2/library/"+repository+"/manifests/"+d.String(), d)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, nil, fmt.Errorf("reading the manifest of %q: %w", name, err)
	}
	if m.Config.Digest.Validate() != nil || len(m.Layers) == 0 {
		return m, nil, fmt.Errorf("reading the manifest of %q: %s is none of an image", name, d)
	}
	for _, layer := range m.Layers {
		if err := layer.Digest.Validate(); err != nil {
			return m, nil, fmt.Errorf("reading the manifest of %q: %w", name, err)
		}
	}
	return m, text, nil
}

// read gives a small thing whole, if it is what the digest says.
func (l *Local) read(ctx context.Context, path string, d digest.Digest) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	resp, err := l.ask(ctx, http.MethodGet, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking the registry at %s for %s: %s", l.Address, d, resp.Status)
	}
	data,
		err := bounded.Limit{
		What: "the registry's answer", Bytes: largestManifest,
		Code: fault.Registry,
	}.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if d.Algorithm().FromBytes(data) != d {
		return nil, fmt.Errorf("the registry at %s gave something else for %s", l.Address, d)
	}
	return data, nil
}

// Blob streams a blob into w, and fails where it is not what its descriptor says.
func (l *Local) Blob(ctx context.Context, w io.Writer, name string, of ocispecs.Descriptor) error {
	repository, _, _ := strings.Cut(name, ":")
	resp, err := l.ask(ctx, http.MethodGet, "/v2/library/"+repository+"/blobs/"+of.Digest.String())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the registry at %s for %s: %s", l.Address, of.Digest, resp.Status)
	}
	check := of.Digest.Verifier()
	n, err := io.Copy(io.MultiWriter(w, check), io.LimitReader(resp.Body, of.Size))
	if err != nil {
		return err
	}
	if n != of.Size || !check.Verified() {
		return fmt.Errorf("the registry at %s gave something else for %s", l.Address, of.Digest)
	}
	return nil
}

// errOtherServer is why nothing that answers on the registry's port is believed.
var errOtherServer = errors.New("what answers there is not the registry that setup started")

// ask sends a request without a body.
func (l *Local) ask(ctx context.Context, method, path string) (*http.Response, error) {
	if l.keyless != nil {
		return nil, l.keyless
	}
	u := url.URL{Scheme: "https", Host: l.Address, Path: path}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for _, t := range []string{
		ocispecs.MediaTypeImageIndex, ocispecs.MediaTypeImageManifest,
		"application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.docker.distribution.manifest.v2+json",
	} {
		req.Header.Add("Accept", t)
	}
	resp, err := l.client.Do(req)
	if err == nil {
		return resp, nil
	}
	if foreign(err) {
		return nil, fmt.Errorf("asking %s: %w (%w)", l.Address, errOtherServer, err)
	}
	return nil, fmt.Errorf("asking the registry at %s: %w", l.Address, err)
}

// foreign says whether a connection failed since the other side speaks no TLS, or has another certificate than the
// registry's.
func foreign(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}

// IsOtherServer says whether err is about something on the registry's port that is not the registry.
func IsOtherServer(err error) bool { return errors.Is(err, errOtherServer) }
