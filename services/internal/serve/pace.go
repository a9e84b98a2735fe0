package serve

import (
	"io"
	"net/http"
	"time"
)

const (
	// grace is how long a client may take for the first of a body, and for taking the first of an answer.
	grace = 5 * time.Second
	// leastPace is the least average speed of a body and of an answer after that, in bytes a second: 1 Mbit/s.
	leastPace = 128 << 10
)

// paced makes bodies and answers move: who sends or takes them slower than leastPace is cut off. There is no limit on the
// time between them: a long recording takes its time.
func paced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Time{}) // an earlier request on this connection may have left one
		if r.Body != nil && r.Body != http.NoBody {
			body := &pacedBody{ReadCloser: r.Body, control: control, began: time.Now()}
			body.extend() // also for a body that nobody reads: the server does, to reach the next request
			r = r.WithContext(r.Context())
			r.Body = body
		}
		next.ServeHTTP(&pacedWriter{ResponseWriter: w, control: control}, r)
		_ = control.SetWriteDeadline(time.Now().Add(grace)) // for what is still buffered
	})
}

// allowed is how long n bytes may take, in all.
func allowed(n int64) time.Duration {
	return grace + time.Duration(n)*time.Second/leastPace
}

type pacedBody struct {
	io.ReadCloser
	control  *http.ResponseController
	began    time.Time
	received int64 // bytes
}

// Read implements io.Reader; it fails with os.ErrDeadlineExceeded where the client is too slow.
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	if err == io.EOF {
		// From here on the server listens for the client's leaving, and no time is too long for that.
		_ = b.control.SetReadDeadline(time.Time{})
	} else if err == nil {
		b.extend()
	}
	return n, err
}

func (b *pacedBody) extend() { _ = b.control.SetReadDeadline(b.began.Add(allowed(b.received))) }

type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (w *pacedWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(allowed(int64(len(p)))))
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
