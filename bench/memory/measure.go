package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/25eloquence/compose-mage/bench/internal/rig"
)

// Samples are taken ten times a second: a recogniser lives for a second. Proportional shares are read less often, for
// the kernel walks every page table for them.
const (
	sampleEvery       = 100 * time.Millisecond
	proportionalEvery = 10 // samples
)

// sample is the stack at one moment.
type sample struct {
	at           time.Time
	all          usage
	unreclaimed  map[string]float64 // bytes, by service
	proportional float64            // bytes; 0 where it was not read
}

// sampler reads the groups until it is stopped.
type sampler struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	samples []sample
	err     error
}

func startSampler(ctx context.Context, groups map[string]group) *sampler {
	s := &sampler{}
	ctx, s.stop = context.WithCancel(ctx)
	s.done.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for n := 0; s.err == nil; n++ {
			var taken sample
			if taken, s.err = takeSample(groups, n%proportionalEvery == 0); s.err == nil {
				s.samples = append(s.samples, taken)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return s
}

func takeSample(groups map[string]group, proportional bool) (sample, error) {
	s := sample{at: time.Now(), unreclaimed: map[string]float64{}}
	for service, g := range groups {
		u, err := g.read()
		if err != nil {
			return s, fmt.Errorf("sampling %q: %w", service, err)
		}
		s.all, s.unreclaimed[service] = s.all.plus(u), u.unreclaimable
		if proportional {
			s.proportional += g.proportional()
		}
	}
	return s, nil
}

// end stops it and gives the samples.
func (s *sampler) end() ([]sample, error) {
	s.stop()
	s.done.Wait()
	return s.samples, s.err
}

const mib = 1 << 20

// figuresOfRun are one run's results: memory in MiB, times in seconds.
type figuresOfRun struct {
	peak, p95, idle          float64 // of U: at its highest and the 95th percentile under load, the mean when idle
	perTalk                  float64 // MiB·s of U for one conversation
	workingPeak, workingIdle float64 // W
	sharePeak, shareIdle     float64 // P
	cache                    float64 // C, when idle
	talk, ratio, cpu         float64 // a conversation's seconds, its worst ratio of words, CPU seconds of the load
	servicePeak, serviceIdle map[string]float64
}

func (f figuresOfRun) String() string {
	return fmt.Sprintf("U peak %.1f, p95 %.1f, idle %.1f MiB; W peak %.1f; a conversation %.1f s, ratio %.3f, CPU "+
		"%.1f s",
		f.peak, f.p95, f.idle, f.workingPeak, f.talk, f.ratio, f.cpu)
}

// measure starts the arm's stack, has it work and leaves it alone, and removes it.
func (b *bench) measure(ctx context.Context, arm string) (figuresOfRun, error) {
	if err := b.down(ctx); err != nil {
		return figuresOfRun{}, err
	}
	groups, err := b.up(ctx, arm)
	if err != nil {
		return figuresOfRun{}, err
	}
	if _, err := b.talks(ctx, 1, 1); err != nil { // warms caches and connections up
		return figuresOfRun{}, err
	}
	s := startSampler(ctx, groups)
	talks, err := b.talks(ctx, b.config.conversations, b.config.atOnce)
	over := time.Now()
	if err == nil {
		select {
		case <-time.After(b.config.idle):
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	samples, failed := s.end()
	if err := errors.Join(err, failed); err != nil {
		return figuresOfRun{}, fmt.Errorf("measuring: %w", err)
	}
	if err := b.down(ctx); err != nil {
		return figuresOfRun{}, err
	}
	rig.Rest(ctx)
	return summarise(samples, talks, over, b.config.idle), nil
}

// summarise makes figures of a run's samples: those before over are the load's, those of the last half of the idle
// time are the idle stack's.
func summarise(samples []sample, talks []spoken, over time.Time, idle time.Duration) figuresOfRun {
	f := figuresOfRun{ratio: 1, servicePeak: map[string]float64{}, serviceIdle: map[string]float64{}}
	var load, rest []sample
	for _, s := range samples {
		switch {
		case !s.at.After(over):
			load = append(load, s)
		case s.at.After(over.Add(idle / 2)):
			rest = append(rest, s)
		}
	}
	unreclaimable := func(s sample) float64 { return s.all.unreclaimable }
	working := func(s sample) float64 { return s.all.working }
	share := func(s sample) float64 { return s.proportional }
	f.peak, f.p95, f.idle = quantile(load, 1, unreclaimable), quantile(load, 0.95, unreclaimable), mean(rest,
		unreclaimable)
	f.workingPeak, f.workingIdle = quantile(load, 1, working), mean(rest, working)
	read := func(s sample) bool { return s.proportional == 0 }
	f.sharePeak = quantile(load, 1, share)
	f.shareIdle = mean(slices.DeleteFunc(slices.Clone(rest), read), share)
	f.cache = mean(rest, func(s sample) float64 { return s.all.cache })
	for i := 1; i < len(load); i++ {
		f.perTalk += unreclaimable(load[i]) / mib * load[i].at.Sub(load[i-1].at).Seconds() / float64(len(talks))
	}
	if len(load) > 0 {
		f.cpu = load[len(load)-1].all.cpu - load[0].all.cpu
		for service := range load[0].unreclaimed {
			of := func(s sample) float64 { return s.unreclaimed[service] }
			f.servicePeak[service], f.serviceIdle[service] = quantile(load, 1, of), mean(rest, of)
		}
	}
	for _, talk := range talks {
		f.ratio = min(f.ratio, talk.Ratio)
		for _, seconds := range talk.Seconds {
			f.talk += seconds / float64(len(talks))
		}
	}
	return f
}

// quantile is the value, in MiB, that so many of the samples stay below; 0 of none.
func quantile(samples []sample, q float64, of func(sample) float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s) / mib
	}
	slices.Sort(values)
	return values[int(q*float64(len(values)-1))]
}

// mean is the mean value in MiB; 0 of none.
func mean(samples []sample, of func(sample) float64) float64 {
	sum := 0.0
	for _, s := range samples {
		sum += of(s) / mib
	}
	return sum / float64(max(1, len(samples)))
}
