// Command service is the container of bench/start and bench/monitor: it listens READY_AFTER after its start and says
// on standard output when that was; with -check it is its own health check.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const address = "127.0.0.1:8080"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-check" {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			fmt.Println("not yet")
			os.Exit(1)
		}
		_ = conn.Close()
		return
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	after, err := time.ParseDuration(os.Getenv("READY_AFTER"))
	if err != nil {
		fmt.Println("reading READY_AFTER:", err)
		os.Exit(2)
	}
	select {
	case <-stop:
		return
	case <-time.After(after):
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready", time.Now().UTC().Format(time.RFC3339Nano))
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	<-stop
}
