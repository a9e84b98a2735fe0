package targets

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/moby/term"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/ui"
	"github.com/25eloquence/compose-mage/stack"
	"github.com/25eloquence/compose-mage/stack/swarm"
)

// choices are the entries of the menu, with what they run.
var choices = []struct {
	label string
	run   func(context.Context) error
}{
	{
		"full     check, clean, build, start, test and show",
		func(ctx context.Context) error { return Full(ctx, nil, nil) },
	},
	{"cleanup  remove what is no longer used", func(ctx context.Context) error {
		find := swarm.FindOptions{Changes: "cleanup"}
		return cleanUp(ctx, nil, nil, nil, stack.CleanupOptions{}, find, false)
	}},
	{"build    build the images", stack.Build},
	{"start    start the services", stack.Start},
	{"monitor  show resources and health", func(ctx context.Context) error {
		return monitor(ctx, nil, stack.MonitorOptions{}, swarm.FindOptions{}, false, false)
	}},
}

// Menu asks what to do on a terminal, and lists the targets elsewhere.
func Menu(ctx context.Context) error {
	if !term.IsTerminal(os.Stdin.Fd()) || !term.IsTerminal(os.Stdout.Fd()) {
		return fault.Exit(ctx, list(ctx))
	}
	return fault.Exit(ctx, ask(ctx, os.Stdin, os.Stdout))
}

// list prints what -l prints: Mage knows the targets, this package does not.
func list(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("listing the targets: %w", err)
	}
	command := exec.CommandContext(ctx, self, "-l")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}

// ask shows the menu and runs the choice: a number or a name; an empty line or 0 leaves.
func ask(ctx context.Context, in io.Reader, out io.Writer) error {
	ui.Fprintf(out, "What shall be done?\n")
	for i, c := range choices {
		ui.Fprintf(out, "  %d  %s\n", i+1, c.label)
	}
	ui.Fprintf(out, "  0  leave\n")
	answer, err := readLine(ctx, in, out)
	if err != nil || answer == "" || answer == "0" {
		return err
	}
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i], _, _ = strings.Cut(c.label, " ")
		if answer == fmt.Sprint(i+1) || strings.EqualFold(answer, names[i]) {
			collectLess()
			return c.run(ctx)
		}
	}
	return fault.New(fault.Usage, "", "no choice %q%s; there are 0 to %d", answer, fault.DidYouMean(answer, names),
		len(choices))
}

// readLine reads the answer; Ctrl-C ends the wait at once.
func readLine(ctx context.Context, in io.Reader, out io.Writer) (string, error) {
	ui.Fprintf(out, "> ")
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		read <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case l := <-read:
		if l.err != nil && !errors.Is(l.err, io.EOF) {
			return "", fmt.Errorf("reading the choice: %w", l.err)
		}
		return strings.TrimSpace(l.text), nil
	}
}
