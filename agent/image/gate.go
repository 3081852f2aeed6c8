package image

import (
	"context"
	"sync"

	"github.com/distribution/reference"
)

// gate keeps the images of a repository from being deleted while one of them is pulled, and from being pulled while one
// is deleted. It goes by repository because Docker removes an image's digest references together with the last tag of
// their repository: a pull by digest whose image has no tag yet would lose it. Other repositories do not wait.
type gate struct {
	mu       sync.Mutex
	pulling  map[string]int // by repository
	deleting map[string]*deletion
}

// deletion is one deletion under way; ended is closed at its end.
type deletion struct{ ended chan struct{} }

// repository of an image reference, in normal form; what is no reference stays as it is.
func repository(image string) string {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return ref.Name()
}

// enter waits for a deletion. Call leave when the image has been pulled and recorded.
func (g *gate) enter(ctx context.Context, image string) (leave func(), err error) {
	name := repository(image)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		deleting := g.tryEnter(name)
		if deleting == nil {
			return func() { g.leave(name) }, nil
		}
		select {
		case <-deleting.ended:
		case <-ctx.Done():
		}
	}
}

func (g *gate) tryEnter(name string) *deletion {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d := g.deleting[name]; d != nil {
		return d
	}
	if g.pulling == nil {
		g.pulling = map[string]int{}
	}
	g.pulling[name]++
	return nil
}

func (g *gate) leave(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pulling[name]--; g.pulling[name] == 0 {
		delete(g.pulling, name)
	}
}

// close keeps pulls of the images' repositories out until open is called; false when one of them is busy.
func (g *gate) close(images ...string) (open func(), ok bool) {
	names := make([]string, len(images))
	for i, image := range images {
		names[i] = repository(image)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range names {
		if g.pulling[name] > 0 || g.deleting[name] != nil {
			return nil, false
		}
	}
	if g.deleting == nil {
		g.deleting = map[string]*deletion{}
	}
	d := &deletion{ended: make(chan struct{})}
	for _, name := range names {
		g.deleting[name] = d
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, name := range names {
			delete(g.deleting, name)
		}
		close(d.ended)
	}, true
}
