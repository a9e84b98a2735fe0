package image

import (
	"context"

	"github.com/containerd/containerd/v2/core/content"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
)

// some is a store that takes only the wanted blobs and says of all others that it has them already, so that the builder neither
// fetches nor sends these.
type some struct {
	content.Store
	wanted map[digest.Digest]bool
}

// Writer implements content.Ingester.
func (s some) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	var o content.WriterOpts
	for _, apply := range opts {
		if err := apply(&o); err != nil {
			return nil, err
		}
	}
	if !s.wanted[o.Desc.Digest] {
		return nil, cerrdefs.ErrAlreadyExists
	}
	return s.Store.Writer(ctx, opts...)
}
