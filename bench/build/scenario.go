package main

// scenario is one case: the state that each timed run finds, and what it is asked.
type scenario struct {
	name, title string
	// warm: every tool builds once before, untimed.
	warm bool
	// fill: every tool builds once before, untimed, and exports its cache.
	fill bool
	// forget: before each run the builder and the engine forget all images and the whole build cache.
	forget bool
	// change is what is edited before each run: "source", "dockerfile" or "".
	change string
	// from and to: the run imports from and exports to the cache registry.
	from, to bool
}

func (s scenario) id() string { return s.name }

// scenarios lists the cases in the order in which they are run: each leaves the sources in a state that the next
// accepts.
func scenarios() []scenario {
	return []scenario{
		{name: "cold", title: "cold", forget: true},
		{name: "unchanged", title: "unchanged", warm: true},
		{name: "source", title: "one source file changed", warm: true, change: "source"},
		{name: "dockerfile", title: "Dockerfile changed (a label)", warm: true, change: "dockerfile"},
		{name: "export", title: "cold, with cache export", forget: true, to: true},
		{name: "fresh", title: "fresh builder, registry cache, unchanged", fill: true, forget: true, from: true},
		{
			name: "fresh-one", title: "fresh builder, registry cache, one service changed",
			fill: true, forget: true, from: true, change: "source",
		},
	}
}
