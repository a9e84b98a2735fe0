package doctor

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/internal/finding"
	"github.com/25eloquence/compose-mage/internal/jobs"
)

// checkJobs looks for scheduled jobs that failed or did not run.
func checkJobs(_ context.Context, in Input) []finding.Finding {
	if in.Project == nil {
		return nil
	}
	return jobs.Findings(in.Project.Name, in.Project.WorkingDir, time.Now())
}
