package cleanup

// Report is a plan for programs, and what became of it.
type Report struct {
	Project string       `json:"project"`
	Scope   Scope        `json:"scope"` // project or host
	DryRun  bool         `json:"dry_run"`
	Bytes   int64        `json:"bytes"` // what goes frees at least this
	Remove  []ReportItem `json:"remove"`
	Keep    []ReportItem `json:"keep"`
}

// ReportItem is one thing that goes or stays.
type ReportItem struct {
	Kind    Kind   `json:"kind"`         // container, image, network, volume, engine cache or builder cache
	ID      string `json:"id,omitempty"` // as the engine knows it; none for caches
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`             // what removing it frees, at least
	Project string `json:"project,omitempty"` // the Compose project; empty where it is nobody's
	Why     string `json:"why"`               // why it goes, or why it stays
	// an image not known to be built here, which goes only when named with -images
	Unknown bool `json:"unknown,omitempty"`
}

// Report gives the plan.
func (p Plan) Report(dryRun bool) Report {
	return Report{
		Project: p.Project, Scope: p.Scope, DryRun: dryRun, Bytes: p.Bytes(), Remove: reported(p.Remove),
		Keep: reported(p.Keep),
	}
}

func reported(items []Item) []ReportItem {
	out := make([]ReportItem, 0, len(items))
	for _, i := range items {
		out = append(out,
			ReportItem{
				Kind: i.Kind, ID: i.ID, Name: i.Name, Bytes: i.Bytes, Project: i.Owner, Why: i.Why, Unknown: i.Unknown,
			})
	}
	return out
}
