// Command mage is Mage, as `go tool mage` runs it in a repository whose go.mod names this command as its tool. It owns
// two things that nothing in a magefile can do, for Mage does them before the targets run: it says that they are being
// compiled, and it does not ask Go at each run whether they are up to date (MAGEFILE_HASHFAST), where package
// magefiles/positional looks at their sources itself. All else is Mage's own main function.
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/magefile/mage/mage"
	"github.com/magefile/mage/mg"
)

// positional is the package that compiles targets again which are older than their sources.
const positional = `"github.com/25eloquence/compose-mage/magefiles/positional"`

// setVariable names what this program has set, for magefiles/positional to unset: a Mage that a target runs in another
// repository is none of ours.
const setVariable = "COMPOSE_MAGE_SET"

func main() {
	if inv, cmd, err := mage.Parse(io.Discard, io.Discard, os.Args[1:]); err == nil && cmd == mage.None {
		files := magefiles(inv)
		if os.Getenv(mg.HashFastEnv) == "" && looksAtSources(files) && !inWorkspace(files) {
			_ = os.Setenv(mg.HashFastEnv, "1")
			_ = os.Setenv(setVariable, mg.HashFastEnv)
			ownCache(files)
		}
		switch {
		case inv.List || inv.Help: // of these Mage keeps no program: only what takes long is worth a word
			time.AfterFunc(5*time.Second, announce)
		case inv.Force || !compiled(inv, files):
			announce()
		}
	}
	os.Exit(mage.Main())
}

// announce says what is going on before a target can.
func announce() {
	fmt.Fprintln(os.Stderr, "compiling the targets; the first time this takes a minute or two")
}

// magefiles lists the files that Mage would compile, as Mage finds them; none where it finds none.
func magefiles(inv mage.Invocation) []string {
	dir := inv.Dir
	if dir == "" {
		dir = "."
	}
	folder := filepath.Join(dir, mage.MagefilesDirName)
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		files, err := mage.Magefiles(folder, inv.GOOS, inv.GOARCH, true)
		if err == nil {
			return files
		}
	}
	files, err := mage.Magefiles(dir, inv.GOOS, inv.GOARCH, false)
	if err != nil {
		return nil // Mage says why
	}
	return files
}

// looksAtSources says whether the magefiles import the package that makes MAGEFILE_HASHFAST safe.
func looksAtSources(files []string) bool {
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(positional)) {
			return true
		}
	}
	return false
}

// inWorkspace says whether a go.work may name sources that magefiles/positional does not know of.
func inWorkspace(files []string) bool {
	if setting := os.Getenv("GOWORK"); setting != "" {
		return setting != "off"
	}
	dir, err := filepath.Abs(filepath.Dir(files[0]))
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return true
		}
		above := filepath.Dir(dir)
		if above == dir {
			return false
		}
		dir = above
	}
	return true
}

// ownCache gives these magefiles a cache of programs of their own. Mage names a program by what is in the magefiles,
// which is the same in each checkout of a repository, while the packages that they import differ.
func ownCache(files []string) {
	if dir, err := filepath.Abs(filepath.Dir(files[0])); os.Getenv(mg.CacheEnv) == "" && err == nil {
		sum := sha256.Sum256([]byte(dir))
		_ = os.Setenv(mg.CacheEnv, filepath.Join(mg.CacheDir(), fmt.Sprintf("%.8x", sum)))
		_ = os.Setenv(setVariable, os.Getenv(setVariable)+" "+mg.CacheEnv)
	}
}

// compiled says whether Mage has a program of these files. Without any it is Mage's to say what is wrong.
func compiled(inv mage.Invocation, files []string) bool {
	if len(files) == 0 || inv.CompileOut != "" {
		return true
	}
	goCmd := inv.GoCmd
	if goCmd == "" {
		goCmd = "go"
	}
	program, err := mage.ExeName(goCmd, mg.CacheDir(), files)
	if err != nil {
		return true
	}
	_, err = os.Stat(program)
	return err == nil
}
