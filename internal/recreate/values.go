package recreate

import (
	"strconv"
	"strings"

	"github.com/25eloquence/compose-mage/internal/ui"
)

const (
	digestPrefix = "sha256:"
	// digestShown is how much of a digest is printed, with its prefix: enough to tell two apart.
	digestShown = len(digestPrefix) + 8
)

// readable cuts a value to a width that fits a line, and gives sizes in units.
func readable(key, value string) string {
	switch key[strings.LastIndex(key, ".")+1:] {
	case "memory", "mem_limit", "mem_reservation", "memswap_limit", "shm_size":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
			return ui.Bytes(n)
		}
	}
	if strings.HasPrefix(value, digestPrefix) && len(value) == len(digestPrefix)+64 {
		return value[:digestShown]
	}
	if value == "" {
		return `""`
	}
	if runes := []rune(value); len(runes) > valueWidth {
		return string(runes[:valueWidth-1]) + "…"
	}
	return value
}
