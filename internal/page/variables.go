package page

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"

	"github.com/25eloquence/compose-mage/internal/regular"
)

// mostRead is how much of a file is looked through for variables.
const mostRead = 1 << 20

var word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// VariablesOf is a digest of the variables of this process's environment whose names stand anywhere in the files: in
// an interpolation, or as a key that passes them on. Words that mean something else only make who asks look himself.
func VariablesOf(files []Stamp) string {
	var named []string
	for _, file := range files {
		text, err := regular.Read(file.Path, mostRead)
		if err != nil {
			continue // what is not there names none
		}
		for _, name := range word.FindAllString(string(text), -1) {
			if value, ok := os.LookupEnv(name); ok && name != "_" {
				named = append(named, fmt.Sprintf("%s=%q", name, value))
			}
		}
	}
	slices.Sort(named)
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", slices.Compact(named)))
	return hex.EncodeToString(sum[:])
}
