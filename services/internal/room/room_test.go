package room

import (
	"context"
	"time"

	"github.com/25eloquence/compose-mage/services/internal/utterance"
)

func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

func rms(samples []int16) float64 { return utterance.RMS(samples) }
