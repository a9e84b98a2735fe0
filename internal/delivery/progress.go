package delivery

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/auxprogress"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/opencontainers/go-digest"

	"github.com/25eloquence/compose-mage/internal/fault"
)

// readPush reads what an engine says while it pushes, to its end, and gives the manifest's digest; "" where the engine
// does not say it.
func readPush(answer io.Reader, more func(bytes int64)) (pushed digest.Digest, err error) {
	decoder := json.NewDecoder(answer)
	sent := map[string]int64{}
	for {
		var m jsonstream.Message
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return pushed, nil
		} else if err != nil {
			return "", fmt.Errorf("reading the engine's answer: %w", fault.EngineStream(err))
		}
		if m.Error != nil {
			return "", m.Error
		}
		if m.Aux != nil {
			var aux struct {
				Digest digest.Digest
				auxprogress.ManifestPushedInsteadOfIndex
			}
			if json.Unmarshal(*m.Aux, &aux) == nil {
				pushed = cmp.Or(aux.Digest, aux.SelectedManifest.Digest, pushed)
			}
		}
		if p := m.Progress; p != nil && p.Current > sent[m.ID] {
			more(p.Current - sent[m.ID])
			sent[m.ID] = p.Current
		}
	}
}

// withoutTag is the repository of a name.
func withoutTag(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		before, _, _ := strings.Cut(name, "@")
		return before
	}
	return reference.FamiliarName(named)
}
