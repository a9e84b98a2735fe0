// Command registry is the local registry that setup starts: that of github.com/distribution/distribution with its
// storage in files and nothing else. The SDKs of the object stores that its own command imports take longer to
// compile than all the rest of it.
package main

import (
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if registry.RootCmd.Execute() != nil { // which says why
		os.Exit(1)
	}
}
