// Command traffic is both ends of the roll-out tests. "serve" answers HTTP on :8080 READY_AFTER after its start (503 before, and
// for ever with NEVER; to its health check from SICK_AFTER on too), asking BACKEND over a new connection for each request where that is set, and told to stop it ends well, or
// at once with ABRUPT, or LINGER later; "check" is its health check.
// "load URL RATE" asks URL at RATE requests/s, half of them over kept connections (none with FRESH), and one that takes two seconds each second;
// told to stop, it prints what came of them as a line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	patience = 5 * time.Second // of a client
	work     = 5 * time.Millisecond
	long     = 2 * time.Second
)

func main() {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		err = serve(stop)
	case len(os.Args) == 2 && os.Args[1] == "check":
		err = get(http.DefaultClient, "http://127.0.0.1:8080/health")
	case len(os.Args) == 4 && os.Args[1] == "load":
		err = load(stop, os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("usage: %s serve | check | load URL RATE", os.Args[0])
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// client keeps connections or makes a new one for each request.
func client(keep bool) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: !keep, MaxIdleConnsPerHost: 100}}
}

func get(c *http.Client, url string) error {
	answer, err := c.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return err
}

func serve(stop context.Context) error {
	after, _ := time.ParseDuration(os.Getenv("READY_AFTER"))
	ready := time.Now().Add(after)
	sick, err := time.ParseDuration(os.Getenv("SICK_AFTER"))
	ails := time.Now().Add(sick)
	backend, never := os.Getenv("BACKEND"), os.Getenv("NEVER") != ""
	fresh := client(false)
	answer := func(w http.ResponseWriter, r *http.Request) {
		if never || time.Now().Before(ready) {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/health" && err == nil && time.Now().After(ails) {
			http.Error(w, "sick", http.StatusServiceUnavailable)
			return
		}
		pause, _ := time.ParseDuration(r.URL.Query().Get("pause"))
		time.Sleep(max(pause, work))
		if backend == "" || r.URL.Path == "/health" {
			return
		}
		if err := get(fresh, backend); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(answer)}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-stop.Done():
	}
	if os.Getenv("ABRUPT") != "" {
		return nil
	}
	linger, _ := time.ParseDuration(os.Getenv("LINGER"))
	time.Sleep(linger)
	within, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return server.Shutdown(within)
}

// summary is what came of a load.
type summary struct {
	Requests, Failed int
	Slowest          time.Duration
	Slow             int // longer than half a second beyond what was asked for
	Errors           []string
}

func load(stop context.Context, url, rate string) error {
	perSecond, err := strconv.Atoi(rate)
	if err != nil || perSecond < 1 {
		return errors.New("RATE is a number of requests per second")
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var sum summary
	ask := func(c *http.Client, url string, expected time.Duration) {
		began := time.Now()
		err := get(c, url)
		beyond := time.Since(began) - expected
		mu.Lock()
		defer mu.Unlock()
		sum.Requests++
		sum.Slowest = max(sum.Slowest, beyond)
		if beyond > time.Second/2 {
			sum.Slow++
		}
		if err != nil {
			sum.Failed++
			sum.Errors = append(sum.Errors, time.Now().UTC().Format(time.RFC3339Nano)+" "+err.Error())
		}
	}
	clients := []*http.Client{client(os.Getenv("FRESH") == ""), client(false)}
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	for n := 0; stop.Err() == nil; n++ {
		<-tick.C
		all.Go(func() { ask(clients[n%2], url, 0) })
		if n%perSecond == 0 {
			all.Go(func() { ask(clients[n/perSecond%2], url+"?pause="+long.String(), long) })
		}
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(sum)
}
