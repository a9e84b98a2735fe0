package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// report is what load prints at its end.
type report struct {
	Requests  int            `json:"requests"`
	Failed    int            `json:"failed"`
	Addresses map[string]int `json:"addresses"` // how many requests each answered
	Errors    []string       `json:"errors"`    // the first few
}

type loader struct {
	mu sync.Mutex
	report
}

// load asks host:port for / so many times a second, on schedule whether or not the answers come, until stop. The name
// is looked up for every request, as a client that keeps nothing does; 200 is a success, all else a failure.
func load(target string, rate int, stop <-chan os.Signal) {
	l := &loader{report: report{Addresses: map[string]int{}, Errors: []string{}}}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	var running sync.WaitGroup
	for stopped := false; !stopped; {
		select {
		case <-tick.C:
			running.Go(func() { l.ask(target) })
		case <-stop:
			stopped = true
		}
	}
	running.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(l.report)
}

func (l *loader) ask(target string) {
	began := time.Now()
	address, err := get(target)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Requests++
	if err == nil {
		l.Addresses[address]++
		return
	}
	l.Failed++
	if len(l.Errors) < 10 {
		l.Errors = append(l.Errors, fmt.Sprintf("%s after %s: %v", began.Format("15:04:05.000"),
			time.Since(began).Round(time.Millisecond), err))
	}
}

// get asks one of the addresses that the name has now.
func get(target string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return "", err
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", err
	}
	address := addresses[rand.IntN(len(addresses))]
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(address, port)+"/", nil)
	if err != nil {
		return "", err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return "", err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", address, response.Status)
	}
	return address, nil
}
