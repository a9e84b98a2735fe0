// Command tinymodel writes a tiny Whisper model with random weights (about 9 MB) to the file
// named: enough to run the Whisper path end to end where no real weights can be had.
package main

import (
	"fmt"
	"os"

	"github.com/25eloquence/compose-mage/services/whisper-stt/whisper/ggmltest"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: tinymodel FILE")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(path string) error {
	file, err := os.Create(path) // #nosec G304 G703 -- the caller's choice
	if err != nil {
		return fmt.Errorf("writing test model: %w", err)
	}
	if err := ggmltest.Write(file, 1); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
