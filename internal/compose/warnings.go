package compose

import (
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/25eloquence/compose-mage/internal/ui/printable"
)

// printWarnings makes Compose's library print its warnings, which quote names and values of the files, without effect
// on a terminal. They look as docker compose's do.
var printWarnings = sync.OnceFunc(func() { logrus.SetFormatter(warnings{&logrus.TextFormatter{}}) })

type warnings struct{ *logrus.TextFormatter }

// Format implements logrus.Formatter.
func (w warnings) Format(entry *logrus.Entry) ([]byte, error) {
	shown := *entry
	shown.Message = printable.Line(entry.Message)
	return w.TextFormatter.Format(&shown)
}
