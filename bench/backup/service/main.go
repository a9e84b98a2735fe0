// Command service is the container of bench/backup: it answers each request with a block of the first file in /data, as
// it is on the disk, and writes PAGES random blocks a second to random places of that file; with -check it is its own
// health check.
package main

import (
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	address = ":8080"
	block   = 4096
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-check" {
		conn, err := net.DialTimeout("tcp", "127.0.0.1"+address, time.Second)
		if err != nil {
			fmt.Println("not yet")
			os.Exit(1)
		}
		_ = conn.Close()
		return
	}
	if err := serve(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func serve() error {
	names, err := filepath.Glob("/data/*")
	if err != nil || len(names) == 0 {
		return fmt.Errorf("/data has no file: %w", err)
	}
	file, err := os.OpenFile(names[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	pages, err := strconv.Atoi(os.Getenv("PAGES"))
	if err != nil {
		return fmt.Errorf("reading PAGES: %w", err)
	}
	blocks := info.Size() / block
	go write(file, blocks, pages)
	go func() {
		err := http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			data := make([]byte, block)
			if _, err := file.ReadAt(data, rand.Int64N(blocks)*block); err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			_, _ = w.Write(data)
		}))
		fmt.Println(err)
		os.Exit(1)
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	return nil
}

// write writes so many blocks a second, and has them on the disk ten times a second.
func write(file *os.File, blocks int64, pages int) {
	data := make([]byte, block)
	owed := 0.0
	for range time.Tick(100 * time.Millisecond) {
		owed += float64(pages) / 10
		if owed < 1 {
			continue
		}
		for ; owed >= 1; owed-- {
			_, _ = crand.Read(data)
			if _, err := file.WriteAt(data, rand.Int64N(blocks)*block); err != nil {
				fmt.Println("writing:", err)
				os.Exit(1)
			}
		}
		if err := file.Sync(); err != nil {
			fmt.Println("writing:", err)
			os.Exit(1)
		}
	}
}
