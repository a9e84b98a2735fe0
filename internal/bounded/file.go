package bounded

import "github.com/25eloquence/compose-mage/internal/regular"

// MaxFile is the most that is read of a file for which nothing smaller is known, in bytes.
const MaxFile = 64 << 20

// ReadFile reads a regular file of at most MaxFile bytes; see regular.Read.
func ReadFile(path string) ([]byte, error) { return regular.Read(path, MaxFile) }
