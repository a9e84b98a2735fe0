//go:build integration

package restore

import (
	"crypto/rand"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/25eloquence/compose-mage/internal/fault"
	"github.com/25eloquence/compose-mage/internal/snapshots"
	"github.com/25eloquence/compose-mage/internal/ui"
)

// to has backups go to a repository from now on.
func (f *fixture) to(location string) { f.t.Setenv(snapshots.RepositoryVariable, location) }

// fails has a backup fail with the code, the words in its error and in what it says to do next: the services go on,
// and the failure is found.
func (f *fixture) fails(code fault.Code, word, next string) {
	f.t.Helper()
	began := time.Now()
	_, err := backUp(f.t.Context(), f.engine, ui.New(&f.out))
	took := time.Since(began)
	f.writesOn(5 * time.Second)
	var found *fault.Error
	if !errors.As(err, &found) || found.Code != code || !strings.Contains(err.Error(), word) ||
		!strings.Contains(found.Next, next) {
		f.t.Errorf("got %v, want exit code %d, %q and %q", err, code, word, next)
		return
	}
	f.t.Logf("after %.1fs: %v\n  next: %s", took.Seconds(), err, found.Next)
	if !slices.Contains(f.found(), "backup.failed") {
		f.t.Error("nothing is found")
	}
}

// comesBack backs up and restores: the snapshot has all numbers that were there before.
func (f *fixture) comesBack() {
	f.t.Helper()
	before := f.numbers(filepath.Join(f.path(f.name+"_first"), "log"))
	b := f.backup()
	r := f.restore(Options{At: b.Snapshot})
	first := f.numbers(filepath.Join(f.path(r.Volumes[0].Name), "log"))
	second := f.numbers(filepath.Join(f.path(r.Volumes[1].Name), "log"))
	if first < before || second != first && second != first-1 {
		f.t.Errorf("%d numbers came back of the first volume, %d of the second; %d were there before", first, second,
			before)
	}
	if found := f.found(); len(found) > 0 {
		f.t.Errorf("found after a good backup: %v", found)
	}
}

// noise is new data of the first volume, so that the next backup has something to send.
func (f *fixture) noise(bytes int) {
	f.t.Helper()
	text := make([]byte, bytes)
	_, _ = rand.Read(text)
	f.must(os.WriteFile(filepath.Join(f.path(f.name+"_first"), "noise"), text, 0o600))
}

// breaks has the way to the target break in mid-backup so many times, at any moment. Each time the services go on, and
// it is mended.
func (f *fixture) breaks(c *connection, times int) {
	f.t.Helper()
	const most = 4 << 20
	for i := range times {
		f.noise(most)
		at, err := rand.Int(rand.Reader, big.NewInt(most+100<<10))
		f.must(err)
		c.breakAfter(at.Int64(), false)
		_, err = backUp(f.t.Context(), f.engine, ui.New(&f.out))
		f.writesOn(5 * time.Second)
		f.t.Logf("%d: broken after %d bytes: %v", i, at, err)
		c.mend()
	}
}

// TestIntegrationS3 saves to a server of S3: what is wrong with the credentials, the bucket and the way there is said,
// what breaks in mid-backup leaves nothing undone, and a target that is silent is not waited for without end.
func TestIntegrationS3(t *testing.T) {
	f, _ := writerFixture(t, nil)
	server := s3(t)
	c := connect(t, server)
	at := "s3:http://" + c.address
	t.Setenv(snapshots.PatienceVariable, "2s")
	f.to(at + "/bucket")
	f.backup()
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	f.fails(fault.Config, "signature", "AWS_SECRET_ACCESS_KEY")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_ACCESS_KEY_ID", "nobody")
	f.fails(fault.Config, "Access Key Id", "AWS_ACCESS_KEY_ID")
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	f.to("s3:http://127.0.0.1:1/bucket")
	f.fails(fault.Failed, "refused", "127.0.0.1:1 can be reached")
	f.to(at + "/nosuch")
	_, err := f.tryTarget(false)
	if wantCode(t, err, fault.Config); err != nil && !strings.Contains(err.Error(), "bucket does not exist") {
		t.Errorf("got %v", err)
	}
	_, err = f.tryTarget(true) // makes the bucket, and the repository
	f.must(err)
	f.to(at + "/bucket")
	f.noise(1 << 20)
	c.breakAfter(500<<10, true)
	f.fails(fault.Failed, "not answered for 2s", "can be reached")
	c.mend()
	f.comesBack()
	if times := count(t, "BACKUP_KILLS", 0); times > 0 { // restic's own tries take a quarter of a minute
		f.breaks(c, times)
		f.comesBack()
	}
	f.noise(1 << 20) // a short interruption is waited for
	t.Setenv(snapshots.PatienceVariable, "")
	c.breakAfter(500<<10, false)
	go func() {
		time.Sleep(time.Second)
		c.mend()
	}()
	f.comesBack()
	f.soundRepository()
}

// TestIntegrationSFTP saves to the distribution's SSH server: what is wrong with its key, the user's key, the
// directory and the way there is said, and what breaks in mid-backup leaves nothing undone.
func TestIntegrationSFTP(t *testing.T) {
	f, _ := writerFixture(t, nil)
	server := f.ssh()
	c := connect(t, server.address)
	at := "sftp://keeper@" + c.address + "//srv/"
	login := "-p " + c.address[strings.LastIndexByte(c.address, ':')+1:] + " keeper@127.0.0.1"
	f.to(at + "keeper/backups")
	server.knows(f, c.address, "")
	f.fails(fault.Config, "Host key verification failed", "ssh "+login)
	server.knows(f, c.address, "other")
	f.fails(fault.Config, "Host key verification failed", "ssh "+login)
	server.knows(f, c.address, "host")
	server.identity(f, "other")
	f.fails(fault.Config, "Permission denied (", "ssh-copy-id "+login)
	server.identity(f, "user")
	f.to(at + "closed/backups")
	f.fails(fault.Config, "denied", "the right to write")
	f.to("sftp://keeper@127.0.0.1:1//srv/keeper")
	f.fails(fault.Failed, "Connection refused", "127.0.0.1:1 can be reached")
	f.to("sftp://keeper@nosuch.invalid//srv/keeper")
	f.fails(fault.Failed, "resolve", "nosuch.invalid can be reached")
	f.to("sftp:-oProxyCommand=true:/srv/keeper")
	f.fails(fault.Config, "for an option", "sftp:USER@HOST")
	f.to(at + "keeper/new")
	_, err := f.tryTarget(true)
	f.must(err)
	f.to(at + "keeper/backups")
	f.backup()
	f.noise(4 << 20)
	c.breakAfter(1<<20, false)
	f.fails(fault.Failed, "saving", "can be reached")
	c.mend()
	f.breaks(c, count(t, "BACKUP_KILLS", 0))
	f.comesBack()
	f.soundRepository()
	if count(t, "BACKUP_FAULTS", 0) > 0 { // ssh waits for a minute
		f.noise(1 << 20)
		c.breakAfter(500<<10, true)
		f.fails(fault.Failed, "saving", "can be reached")
		c.mend()
		f.comesBack()
	}
}
