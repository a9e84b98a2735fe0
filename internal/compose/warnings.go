package compose

import (
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// printWarnings makes Compose's library print its warnings, which quote names and values of the files, without effect
// on a terminal. They look as docker compose's do.
var printWarnings = sync.OnceFunc(func() { logrus.SetFormatter(warnings{&logrus.TextFormatter{}}) })

type warnings struct{ *logrus.TextFormatter }

// tried is how many models are being loaded of other texts than the files'. The library has warned of the files
// already, and what it says of the texts has names that nobody knows.
var tried atomic.Int32

// Format implements logrus.Formatter.
func (w warnings) Format(entry *logrus.Entry) ([]byte, error) {
	if tried.Load() > 0 {
		return nil, nil
	}
	shown := *entry
	shown.Message = printable.Line(entry.Message)
	return w.TextFormatter.Format(&shown)
}
