package serve

import (
	"io"
	"net/http"
	"time"
)

const (
	// grace is how long a client may take for the first of a body or of an answer, and how far it may fall behind
	// leastPace after that. Having been fast before earns no more.
	grace = 5 * time.Second
	// leastPace is the least speed of a body and of an answer, in bytes a second: 1 Mbit/s.
	leastPace = 128 << 10
)

// paced makes bodies and answers move: who sends or takes them slower than leastPace is cut off. There is no limit
// on the time between them: a long recording takes its time.
func paced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Time{}) // an earlier request on this connection may have left one
		if r.Body != nil && r.Body != http.NoBody {
			body := &pacedBody{ReadCloser: r.Body, control: control, deadline: time.Now()}
			body.extend(grace) // also for a body that nobody reads: the server does, to reach the next request
			r = r.WithContext(r.Context())
			r.Body = body
		}
		next.ServeHTTP(&pacedWriter{ResponseWriter: w, control: control}, r)
		_ = control.SetWriteDeadline(time.Now().Add(grace)) // for what is still buffered
	})
}

// pace is how long n bytes may take.
func pace(n int) time.Duration { return time.Duration(n) * time.Second / leastPace }

type pacedBody struct {
	io.ReadCloser
	control  *http.ResponseController
	deadline time.Time
}

// Read implements io.Reader; it fails with os.ErrDeadlineExceeded where the client is too slow.
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
		b.extend(pace(n))
	case io.EOF:
		// From here on the server listens for the client's leaving, and no time is too long for that.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (b *pacedBody) extend(by time.Duration) {
	b.deadline = b.deadline.Add(by)
	if latest := time.Now().Add(grace); b.deadline.After(latest) {
		b.deadline = latest
	}
	_ = b.control.SetReadDeadline(b.deadline)
}

type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer. It writes piece by piece: a deadline for all of a large answer would be a late one.
func (w *pacedWriter) Write(p []byte) (int, error) {
	written := 0
	for {
		piece := p[written:min(len(p), written+leastPace)]
		_ = w.control.SetWriteDeadline(time.Now().Add(grace + pace(len(piece))))
		n, err := w.ResponseWriter.Write(piece)
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
