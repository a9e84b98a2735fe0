package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The headers by which a server proves to one who has the token that it has it too, before the token is sent.
const (
	nonceHeader = "Compose-Mage-Nonce" // of a request: 64 hexadecimal digits
	proofHeader = "Compose-Mage-Proof" // of the answer
)

// nonceDigits is how long a nonce is.
const nonceDigits = 64

// proof is what only one who knows the token can tell of a nonce. The host stands in it so that nobody who listens
// at another address can pass the question on to the server.
func proof(token, nonce, host string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(nonce + "\n" + host))
	return hex.EncodeToString(mac.Sum(nil))
}

// Handler is all that the server answers. Whoever does not have the token gets 401, whatever is asked for; for the
// page's own address the body of that is the empty page, which asks for the token and has nothing of the project.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
		switch {
		case !slices.Contains(hostNames(s.Address), strings.ToLower(r.Host)):
			http.Error(w, "this server has another address", http.StatusMisdirectedRequest)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "there is nothing to change here", http.StatusMethodNotAllowed)
		case r.ContentLength != 0:
			w.Header().Set("Connection", "close") // it is not waited for
			http.Error(w, "a body is not read", http.StatusRequestEntityTooLarge)
		case !s.authorized(r):
			s.refuse(w, r)
		default:
			s.mux.ServeHTTP(w, r)
		}
	})
}

// authorized compares in constant time.
func (s *Server) authorized(r *http.Request) bool {
	scheme, given, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	want, got := sha256.Sum256([]byte(s.Token)), sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="compose-mage"`)
	if nonce := r.Header.Get(nonceHeader); len(nonce) == nonceDigits {
		w.Header().Set(proofHeader, proof(s.Token, nonce, r.Host))
	}
	if r.URL.Path == "/" {
		writeShell(w, http.StatusUnauthorized)
		return
	}
	http.Error(w, "the token is missing, or is another run's: monitor -serve has printed it", http.StatusUnauthorized)
}

// hostNames are what a request may call a server that listens on an address. A page of somebody else's whose name is
// made to lead here (DNS rebinding) calls it by that name.
func hostNames(address string) []string {
	names := []string{strings.ToLower(address)}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return names
	}
	ip := net.ParseIP(host)
	if Loopback(address) || ip != nil && ip.IsUnspecified() {
		names = append(names, "127.0.0.1:"+port, "localhost:"+port, "[::1]:"+port)
	}
	if ip != nil && ip.IsUnspecified() {
		own, _ := net.InterfaceAddrs()
		for _, a := range own {
			if n, ok := a.(*net.IPNet); ok {
				names = append(names, net.JoinHostPort(n.IP.String(), port))
			}
		}
	}
	if port == "80" {
		for _, name := range names {
			names = append(names, strings.TrimSuffix(name, ":80"))
		}
	}
	return names
}

// setHeaders are of every answer.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// silent is where the HTTP library's words about clients go, which a client could fill.
func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// limited gives a listener that accepts no more than most connections at a time.
func limited(l net.Listener, most int) net.Listener {
	return &limitedListener{Listener: l, places: make(chan struct{}, most)}
}

type limitedListener struct {
	net.Listener
	places chan struct{}
}

// Accept gives a connection, or closes it where there are too many: whoever holds them all may not make others wait.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.places <- struct{}{}:
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { <-l.places })}, nil
		default:
			_ = conn.Close()
		}
	}
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
