// Command service is the container of the integration tests: it is ready READY_AFTER after its start, exits with
// EXIT_CODE after EXIT_AFTER, and with -check says whether it is ready (exit 0 or 1), as a health check. With RANDOM it is
// ready after a random part of READY_AFTER; with HANG its check gets no answer before; where the service that NEEDS
// names is not ready when this one starts, it exits with 9. It listens LISTEN_AFTER its start, and prints its argument.
package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-check" {
		answer, err := http.Get("http://127.0.0.1:8080/")
		if err != nil || answer.StatusCode != http.StatusOK {
			fmt.Println("not yet")
			os.Exit(1)
		}
		return
	}
	fmt.Println("service starts")
	if len(os.Args) > 1 {
		fmt.Println(os.Args[1])
	}
	if url := os.Getenv("NEEDS"); url != "" {
		if answer, err := http.Get(url); err != nil || answer.StatusCode != http.StatusOK {
			fmt.Println("started too early")
			os.Exit(9)
		}
	}
	after := duration("READY_AFTER")
	if os.Getenv("RANDOM") != "" {
		after = rand.N(after)
	}
	began := time.Now()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if os.Getenv("NEVER") != "" || time.Since(began) < after {
			if os.Getenv("HANG") != "" {
				<-r.Context().Done()
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	go func() {
		time.Sleep(duration("LISTEN_AFTER"))
		_ = http.ListenAndServe(":8080", nil) // the check fails where this does
	}()
	if os.Getenv("EXIT_CODE") != "" {
		time.Sleep(duration("EXIT_AFTER"))
		code, _ := strconv.Atoi(os.Getenv("EXIT_CODE"))
		fmt.Println("service gives up")
		os.Exit(code)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}

func duration(name string) time.Duration {
	d, _ := time.ParseDuration(os.Getenv(name))
	return d
}
