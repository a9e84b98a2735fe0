// Command stranger is what another user of the machine, or a build step, may try. It prints a line for each try.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	switch os.Args[1] {
	case "dial":
		for _, addr := range os.Args[2:] {
			conn, err := net.DialTimeout("tcp", addr, time.Second)
			if err == nil {
				_ = conn.Close()
				fmt.Println("reached", addr)
			} else {
				fmt.Println("refused", addr, err)
			}
		}
	case "read":
		for _, path := range os.Args[2:] {
			if _, err := os.ReadFile(path); err == nil {
				fmt.Println("read", path)
			}
			if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				_ = f.Close()
				fmt.Println("write", path)
			}
		}
	case "registry":
		registry(os.Args[2])
	case "squat":
		squat(os.Args[2], os.Args[3] == "tls")
	}
}

// certificate is one that this user has made for itself.
func certificate() tls.Certificate {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, _ := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// registry asks for a base, for the list of repositories, and puts another base and another cache in.
func registry(addr string) {
	for name, config := range map[string]*tls.Config{
		"http": nil, "https": {InsecureSkipVerify: true}, "certificate": {InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate()}},
	} {
		scheme := "https"
		if config == nil {
			scheme = "http"
		}
		client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}
		for _, try := range []string{
			"GET /v2/", "GET /v2/_catalog", "GET /v2/library/debian/manifests/bookworm-slim", "PUT /v2/library/debian/manifests/bookworm-slim",
			"POST /v2/p/s/blobs/uploads/", "PUT /v2/p/s/manifests/cache-main", "DELETE /v2/library/debian/manifests/bookworm-slim",
		} {
			method, path, _ := strings.Cut(try, " ")
			req, _ := http.NewRequest(method, scheme+"://"+addr+path, strings.NewReader("{}"))
			resp, err := client.Do(req)
			switch {
			case err != nil:
				fmt.Println("refused", name, try)
			case resp.StatusCode == http.StatusBadRequest && resp.Header.Get("Docker-Distribution-Api-Version") == "":
				fmt.Println("refused", name, try, "(it wants TLS)")
			default:
				fmt.Println("answered", name, try, resp.Status)
			}
		}
	}
}

// squat listens as a registry, and says what it is asked.
func squat(addr string, secure bool) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Println("listening:", err)
		os.Exit(1)
	}
	if secure {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	}
	fmt.Println("listening")
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("asked", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("a", 64))
	}))
}
