// Command s3 serves S3 from memory, for tests: with one bucket, which begins with the files of a directory, and one
// pair of keys, by which requests have to be signed. It is a module of its own: nothing of it is compiled for the
// targets.
//
//	s3 ADDRESS KEY SECRET BUCKET DIRECTORY
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 5 {
		return errors.New("s3 ADDRESS KEY SECRET BUCKET DIRECTORY")
	}
	kept := store{s3mem.New()}
	if err := kept.fill(context.Background(), args[3], os.DirFS(args[4])); err != nil {
		return err
	}
	server := gofakes3.New(kept, gofakes3.WithV4Auth(map[string]string{args[1]: args[2]}))
	return http.ListenAndServe(args[0], server.Server())
}

// store lists as S3 does where a delimiter is named and empty, which restic's library asks for: as where none is.
type store struct{ *s3mem.Backend }

// ListBucket implements gofakes3.Backend.
func (s store) ListBucket(ctx context.Context, name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (
	*gofakes3.ObjectList, error,
) {
	if prefix != nil && prefix.Delimiter == "" {
		prefix.HasDelimiter = false
	}
	return s.Backend.ListBucket(ctx, name, prefix, page)
}

// fill makes the bucket, with a directory's files.
func (s store) fill(ctx context.Context, bucket string, files fs.FS) error {
	if err := s.CreateBucket(ctx, bucket); err != nil {
		return err
	}
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		if err == nil {
			about := map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}
			_, err = s.PutObject(ctx, bucket, path, about, bytes.NewReader(data), int64(len(data)))
		}
		return err
	})
}
