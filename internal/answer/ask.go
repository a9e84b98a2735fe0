package answer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/25eloquence/compose-mage/internal/bounded"
	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

const (
	// Timeout is how long an answer may take.
	Timeout = 2 * time.Second
	// proxyClose is how soon the engine's port proxy, which accepts in any case, closes a connection that the
	// container refused.
	proxyClose = 100 * time.Millisecond
	// maxBody is how much of the body of an HTTP answer is read, so that the service can end it in order, in bytes.
	maxBody = 64 << 10
	// bodyWait is how long the body is waited for.
	bodyWait = 200 * time.Millisecond
	// maxHead is how long the head of an HTTP answer may be, in bytes.
	maxHead = 64 << 10
)

// Said is what a port says.
type Said int

// What a port can say.
const (
	Unknown Said = iota // the port can't be reached from here, or nothing can be concluded
	Refused
	Accepted
)

// Ask connects to the port, for at most so long at each of its places.
func (p Port) Ask(ctx context.Context, r Reach, timeout time.Duration) Said {
	for _, at := range r.places(p) {
		conn, said, _ := at.connect(ctx, timeout)
		if said == Accepted {
			said = at.accepts(conn)
			_ = conn.Close()
		}
		if said != Unknown {
			return said
		}
	}
	return Unknown
}

// connect connects to the place. The error is the reason of a refusal.
func (p place) connect(ctx context.Context, timeout time.Duration) (net.Conn, Said, error) {
	d := net.Dialer{Timeout: timeout}
	conn, err := d.DialContext(ctx, "tcp", p.address)
	switch {
	case err == nil:
		return conn, Accepted, nil
	case p.kind == written, p.kind == own && errors.Is(err, syscall.ECONNREFUSED):
		return nil, Refused, err
	}
	return nil, Unknown, err
}

// accepts says whether who has accepted is the container: the engine's proxy closes the connection at once for a
// container that refused.
func (p place) accepts(conn net.Conn) Said {
	if p.kind != published {
		return Accepted
	}
	_ = conn.SetReadDeadline(time.Now().Add(proxyClose))
	_, err := conn.Read(make([]byte, 1))
	return proxied(err)
}

// proxied says what it means that reading from the engine's proxy, right after it has accepted, came to this.
func proxied(err error) Said {
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return Accepted
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return Refused
	}
	return Unknown
}

// ask asks the target: the first port that answers counts, else the first that refuses. ok is false where nothing
// could be asked after all.
func (t Target) ask(ctx context.Context) (a Answer, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	for _, port := range t.ports {
		for _, at := range port {
			got, said := t.askPlace(ctx, at)
			if said == Unknown {
				continue
			}
			if said == Accepted {
				return got, true
			}
			if !ok {
				a, ok = got, true
			}
			break
		}
	}
	return a, ok
}

// askPlace asks at one place. Accepted is a good answer; Refused is none, or a bad one.
func (t Target) askPlace(ctx context.Context, at place) (Answer, Said) {
	a := Answer{Of: t.words(at), At: time.Now(), Named: t.named}
	conn, said, err := at.connect(ctx, Timeout)
	took := time.Since(a.At)
	switch {
	case said == Unknown && at.kind == own && timedOut(err): // the container is there, and lets nobody in
		said = Refused
	case said == Accepted && t.scheme == "tcp":
		if said = at.accepts(conn); said != Accepted {
			err = io.EOF
		}
		_ = conn.Close()
	case said == Accepted:
		if took, err = t.request(ctx, conn, at, a.At); err != nil {
			said = Refused
		}
		_ = conn.Close()
	}
	if err != nil {
		a.Error = reason(err)
	}
	var status statusError
	if err == nil || errors.As(err, &status) {
		a.MS = float64(took.Microseconds()) / 1000
	}
	return a, said
}

// request sends an HTTP request over the connection, and gives the time from began until the head of the answer was
// there. Redirects are not followed, and no proxy is asked. Certificates are not checked: nothing is sent that
// anybody may not see, and a certificate is not for the address at which a container is asked.
func (t Target) request(ctx context.Context, conn net.Conn, at place, began time.Time) (time.Duration, error) {
	transport := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHead,
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.scheme+"://"+at.address+t.path, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("User-Agent", "compose-mage")
	response, err := transport.RoundTrip(request)
	took := time.Since(began)
	if err != nil {
		return took, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(bodyWait))
	_, _ = io.CopyN(io.Discard, response.Body, maxBody)
	_ = response.Body.Close()
	if !t.good(response.StatusCode) {
		return took, statusError(response.StatusCode)
	}
	return took, nil
}

// statusError is an HTTP answer that is no good one.
type statusError int

// Error gives the status.
func (s statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", int(s), http.StatusText(int(s))))
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// reason says why there was no good answer, as words that follow what was asked.
func reason(err error) string {
	switch {
	case timedOut(err):
		return fmt.Sprintf("no answer within %s", Timeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses the connection"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "closes the connection without an answer"
	}
	return bounded.Line(printable.Line(err.Error()))
}
