package stack_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/25eloquence/compose-mage/stack"
)

// Build and start the project of the working directory, and ask how it is.
func Example() {
	ctx := context.Background()
	s, err := stack.Open(ctx, stack.Options{})
	if err != nil {
		log.Fatal(err)
	}
	built, err := s.Build(ctx, stack.BuildOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, image := range built.Images {
		fmt.Println(image.Service, image.State, image.ID)
	}
	started, err := s.Start(ctx, stack.StartOptions{Timeout: 2 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready after", started.Seconds, "seconds, of which most were", started.Critical)
	report, err := s.Status(ctx, stack.StatusOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if !report.Fine {
		report.Print(os.Stderr)
	}
}

// Print a plan in place of carrying it out.
func ExampleStack_PlanRestart() {
	ctx := context.Background()
	s, err := stack.Open(ctx, stack.Options{Files: []string{"compose.yaml", "production.yaml"}})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := s.PlanRestart(ctx, stack.RestartOptions{Rolling: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range plan.Steps {
		fmt.Println(step.Service, step.Action, step.Why)
	}
	if err := plan.Err(); err != nil { // a service can't be replaced without down-time
		log.Fatal(err)
	}
}

// Look at what a cleanup would remove before it does.
func ExampleStack_Cleanup() {
	ctx := context.Background()
	s, err := stack.Open(ctx, stack.Options{Output: io.Discard})
	if err != nil {
		log.Fatal(err)
	}
	_, err = s.Cleanup(ctx, stack.CleanupOptions{Before: func(plan stack.CleanupReport) error {
		if plan.Bytes < 1<<30 {
			return errors.New("not worth it")
		}
		return nil
	}})
	if err != nil {
		log.Fatal(err)
	}
}

// The functions of a context alone are the steps of a target of yours; with Mage they go into mg.SerialCtxDeps.
func ExampleWithOptions() {
	ctx := stack.WithOptions(context.Background(), stack.Options{Services: []string{"api"}})
	for _, step := range []func(context.Context) error{stack.Check, stack.Build, stack.Start} {
		if err := step(ctx); err != nil {
			log.Fatal(err)
		}
	}
}

// Every error says what to run next and has an exit code.
func ExampleLogsOptions_Validate() {
	err := stack.LogsOptions{Tail: "some"}.Validate()
	fmt.Println(err)
	var coded interface{ ExitStatus() int }
	if errors.As(err, &coded) {
		fmt.Println("exit code", coded.ExitStatus())
	}
	// Output:
	// -tail=some is neither a number of lines nor all
	//   next: go tool mage logs -tail=100
	// exit code 2
}

// A report that could not be had is empty: it prints nothing, and nothing is wrong with it.
func ExampleCheckReport() {
	var report stack.CheckReport
	fmt.Println(report.Err(), len(report.Findings))
	// Output: <nil> 0
}
