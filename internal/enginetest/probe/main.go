// Command probe is the only program in the images that the integration tests make: small, static, and able to be idle,
// busy, greedy, broken, healthy or ill on demand.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		os.Exit(2)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	switch os.Args[1] {
	case "sleep":
	case "spin":
		go func() {
			for n := 0; ; n++ {
				_ = n
			}
		}()
	case "eat": // MiB to hold, and, where that is said, after how many milliseconds
		if len(os.Args) > 3 {
			time.Sleep(time.Duration(number(3)) * time.Millisecond)
		}
		hold(number(2))
	case "brood": // MiB, how many children that hold as much, one after the other; their ends are theirs
		for range number(3) {
			_ = exec.Command(os.Args[0], "eat", os.Args[2]).Run()
			time.Sleep(200 * time.Millisecond)
		}
	case "exit": // status
		os.Exit(number(2))
	case "stubborn": // no signal that can be caught ends it
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		select {}
	case "lose": // MiB, status: a child holds as much; it exits with the status when the child has ended
		time.Sleep(200 * time.Millisecond)
		_ = exec.Command(os.Args[0], "eat", os.Args[2]).Run()
		os.Exit(number(3))
	case "fault": // it touches memory that it does not have
		fault()
	case "once": // what to be: that in the container's first run, and idle in all later ones
		if os.Mkdir("/once", 0o700) == nil {
			become(os.Args[2:])
		}
	case "write": // a file, of 100 kB
		if os.WriteFile(os.Args[2], make([]byte, 100_000), 0o644) != nil {
			os.Exit(3)
		}
		os.Exit(0)
	case "append": // two files, microseconds between: numbers from 1 on, one a line, each on the disk before the next
		go appendNumbers(os.Args[2], os.Args[3], number(4))
	case "health": // milliseconds, status
		time.Sleep(time.Duration(number(2)) * time.Millisecond)
		fmt.Println("probe says", os.Args[3])
		os.Exit(number(3))
	case "cure": // a file, which it removes: that is what a restart mends
		_ = os.Remove(os.Args[2])
	case "without": // a file: it is healthy as long as that is not there
		if _, err := os.Stat(os.Args[2]); err == nil {
			fmt.Println(os.Args[2], "is there")
			os.Exit(1)
		}
		os.Exit(0)
	case "serve": // port, HTTP status, milliseconds, and for how many more it goes on when it is told to end
		go serve(os.Args[2], os.Args[3], number(4))
		<-stop
		linger(5)
		return
	case "say": // text, times, milliseconds between
		for range number(3) {
			fmt.Println(os.Args[2])
			time.Sleep(time.Duration(number(4)) * time.Millisecond)
		}
	case "load": // host:port, requests a second; prints what came of them when it is stopped
		load(os.Args[2], number(3), stop)
		return
	default:
		os.Exit(2)
	}
	<-stop
}

// appendNumbers goes on counting where the first file ends; a number is in the first file before it is in the second.
func appendNumbers(first, second string, pause int) {
	var files [2]*os.File
	for i, path := range []string{first, second} {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			os.Exit(6)
		}
		files[i] = file
	}
	data, err := os.ReadFile(first)
	if err != nil {
		os.Exit(6)
	}
	for n := strings.Count(string(data), "\n") + 1; ; n++ {
		for _, file := range files {
			if _, err := fmt.Fprintln(file, n); err != nil || file.Sync() != nil {
				os.Exit(7)
			}
		}
		time.Sleep(time.Duration(pause) * time.Microsecond)
	}
}

// serve gives every request this answer, after so many milliseconds.
func serve(port, status string, after int) {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		os.Exit(4)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			os.Exit(5)
		}
		go func() {
			_, _ = conn.Read(make([]byte, 4096))
			time.Sleep(time.Duration(after) * time.Millisecond)
			fmt.Fprintf(conn, "HTTP/1.1 %s X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status)
			_ = conn.Close()
		}()
	}
}

var held [][]byte

// hold writes to every page, so that the memory is really taken.
func hold(mib int) {
	for range mib {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
	}
}

// linger waits for so many milliseconds, where that argument is there.
func linger(arg int) {
	if len(os.Args) > arg {
		time.Sleep(time.Duration(number(arg)) * time.Millisecond)
	}
}

func number(arg int) int {
	n, err := strconv.Atoi(os.Args[arg])
	if err != nil {
		os.Exit(2)
	}
	return n
}
