package buildcontext

import (
	"fmt"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// FS is the directory dir less what the patterns of its ignore file match, every file owned by user and group 0, as
// BuildKit's client prepares a directory that it sends. Links are not followed.
func FS(dir string, patterns []string) (fsutil.FS, error) {
	all, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, fmt.Errorf("opening build context %q: %w", dir, err)
	}
	filtered, err := fsutil.NewFilterFS(all, &fsutil.FilterOpt{
		ExcludePatterns: patterns,
		Map: func(_ string, st *types.Stat) fsutil.MapResult {
			st.Uid, st.Gid = 0, 0
			return fsutil.MapResultKeep
		},
	})
	if err != nil {
		return nil, fmt.Errorf("opening build context %q: %w", dir, err)
	}
	return filtered, nil
}
