package dockerfiles

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/doctor/check"
	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/finding"
)

// prefix is before the name that BuildKit gives a rule of its linter.
const prefix = "lint."

// lintRules are those of BuildKit's linter that are on unless a Dockerfile asks for more, with how bad they are: a
// warning where what is built is not what is written. InvalidBaseImagePlatform is not among them: nobody asks for base
// images here.
var lintRules = []check.Rule{
	lintRule("StageNameCasing", "a stage's name with capitals", finding.Info),
	lintRule("FromAsCasing", "FROM and as in different cases", finding.Info),
	lintRule("NoEmptyContinuation", "an empty line within an instruction", finding.Warning),
	lintRule("ConsistentInstructionCasing", "instructions in different cases", finding.Info),
	lintRule("DuplicateStageName", "two stages of one name", finding.Warning),
	lintRule("ReservedStageName", "a stage with a reserved name", finding.Warning),
	lintRule("JSONArgsRecommended", "a command that gets no signals", finding.Info),
	lintRule("MaintainerDeprecated", "the obsolete MAINTAINER", finding.Info),
	lintRule("UndefinedArgInFrom", "FROM with a variable that is not declared", finding.Warning),
	lintRule("WorkdirRelativePath", "a relative WORKDIR without one before it", finding.Warning),
	lintRule("UndefinedVar", "a variable that is not declared", finding.Warning),
	lintRule("MultipleInstructionsDisallowed", "an instruction that a later one replaces", finding.Warning),
	lintRule("LegacyKeyValueFormat", "ENV or LABEL without =", finding.Info),
	lintRule("RedundantTargetPlatform", "FROM with the platform that it has anyway", finding.Info),
	lintRule("SecretsUsedInArgOrEnv", "a secret in ARG or ENV", finding.Warning),
	lintRule("InvalidDefaultArgInFrom", "FROM without an image where an argument is not given", finding.Info),
	lintRule("FromPlatformFlagConstDisallowed", "FROM with a platform that is written out", finding.Info),
	lintRule("ExposeProtoCasing", "EXPOSE with a protocol in capitals", finding.Info),
	lintRule("ExposeInvalidFormat", "EXPOSE with more than a port", finding.Warning),
	lintRule("syntax", "a Dockerfile that BuildKit does not read", finding.Failure),
}

func lintRule(name, title string, worst finding.Severity) check.Rule {
	return check.Rule{
		ID: prefix + name, Title: title, Where: check.Dockerfile, Worst: worst,
		Basis: "BuildKit's linter, docs.docker.com/reference/build-checks/",
	}
}

// lintFile has BuildKit's linter read a Dockerfile. The linter asks for nothing: base images are taken to be of the
// platform that is asked for.
func lintFile(ctx context.Context, d Dockerfile) ([]check.Finding, error) {
	// The linter reads SourceMap.Definition without looking whether there is one.
	nothing, err := llb.Scratch().Marshal(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing the linter: %w", err)
	}
	source := llb.NewSourceMap(nil, d.Path, "Dockerfile", d.Text)
	source.Definition = nothing
	results, err := dockerfile2llb.DockerfileLint(ctx, d.Text, dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{BuildArgs: d.Args, Target: d.Target}, SourceMap: source, MetaResolver: nobody{},
	})
	if err != nil {
		return nil, fmt.Errorf("linting %q: %w", d.Path, err)
	}
	return lintFindings(d, results), nil
}

// lintFindings makes a finding of each kind of warning, with all its lines.
func lintFindings(d Dockerfile, results *lint.LintResults) []check.Finding {
	severities := map[string]finding.Severity{}
	for _, r := range lintRules {
		severities[r.ID] = r.Worst
	}
	var out []check.Finding
	at := map[string]int{}
	for _, w := range results.Warnings {
		id := prefix + w.RuleName
		severity, known := severities[id]
		if !known {
			continue
		}
		place := check.Place{File: d.Path}
		if w.Location != nil && len(w.Location.Ranges) > 0 && w.Location.Ranges[0].Start != nil {
			place.Line = int(w.Location.Ranges[0].Start.Line)
		}
		key := id + "\n" + w.Detail
		if i, seen := at[key]; seen {
			out[i] = out[i].At(place)
			continue
		}
		f := check.Warn(id, w.URL, "%s", w.Detail).Of(d.Services...).At(place).Because("%s", w.Description)
		f.Severity = severity
		at[key] = len(out)
		out = append(out, f)
	}
	if results.Error != nil {
		place := check.Place{File: d.Path}
		if r := results.Error.Location.Ranges; len(r) > 0 && r[0].Start != nil {
			place.Line = int(r[0].Start.Line)
		}
		out = append(out, check.Fail(fault.Config, prefix+"syntax", "mend the Dockerfile", "%s",
			results.Error.Message).Of(d.Services...).At(place))
	}
	return out
}

// nobody says of each image that it has no configuration, without asking.
type nobody struct{}

// ResolveImageConfig is what the linter asks.
func (nobody) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte,
	error,
) {
	return ref, "", []byte("{}"), nil
}
