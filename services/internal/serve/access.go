package serve

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// access refuses what no client of the stack sends: a request under a name that is not the service's, which is how
// a page whose name was bound to 127.0.0.1 after it was loaded asks ("DNS rebinding"), and a write from a page of
// another origin.
func access(name string, next http.Handler) http.Handler {
	names := map[string]bool{"localhost": true, name: true}
	for host := range strings.FieldsSeq(strings.ReplaceAll(os.Getenv("ALLOWED_HOSTS"), ",", " ")) {
		names[strings.ToLower(host)] = true
	}
	// A service has no pages of its own, and browsers have no right to write: only Origin and Sec-Fetch-Site are
	// looked at.
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !names[hostName(r.Host)] && !isAddress(hostName(r.Host)) {
			Refuse(w, http.StatusMisdirectedRequest, "unknown_host",
				"this service is not known under that name: see ALLOWED_HOSTS")
			return
		}
		if err := origins.Check(r); err != nil {
			Refuse(w, http.StatusForbidden, "cross_origin", "pages of other origins may not write: "+err.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostName is the name or address in a Host header, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// isAddress tells whether a host is an IP address: a name can be bound to another machine, an address can't.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// ClientAddress is the address a request came from: that of the other end of the connection, whatever headers say.
func ClientAddress(r *http.Request) netip.Addr {
	address, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero address for what is no TCP connection
	return address.Addr().Unmap()
}

// Refuse answers as Fail does and ends the connection: what is left of the request's body is not waited for.
func Refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Connection", "close")
	Fail(w, status, code, message)
}
