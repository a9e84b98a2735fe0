package recreate

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"

	"github.com/25eloquence/compose-mage/internal/bounded"
)

// contentLimit is up to which size a file's content is compared, in bytes: of a larger one that was replaced it is
// taken to have changed.
const contentLimit = 1 << 20

// FileID says which file or directory is behind the path, and of a small file what is in it; "" where that can't be
// said.
func FileID(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	id := inode(info)
	if id == "" || !info.Mode().IsRegular() || info.Size() > contentLimit {
		return id
	}
	data, err := bounded.ReadFile(path)
	if err != nil {
		return id
	}
	sum := sha256.Sum256(data)
	return id + " " + hex.EncodeToString(sum[:])
}

// Replaced says whether now is another file than was, and with other content: one that is written again as it was, as
// by git checkout, makes no difference to who has the old one. Nothing is claimed of what could not be said.
func Replaced(was, now string) bool {
	wasFile, wasContent, _ := strings.Cut(was, " ")
	nowFile, nowContent, _ := strings.Cut(now, " ")
	return wasFile != "" && nowFile != "" && wasFile != nowFile && (wasContent == "" || wasContent != nowContent)
}
