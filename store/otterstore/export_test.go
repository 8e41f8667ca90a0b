package otterstore

import "fmt"

// Collide has the hashes of s keep only the bits of mask. Call it before s is used.
func (s *Store[T]) Collide(mask uint64) { s.view.Mask = mask }

// Settle has the engine do now what it does in the background.
func (b *Budget) Settle() {
	b.sweeper.done.Wait()
	b.cache.CleanUp()
}

// Check says what is wrong with the books. Nothing may be under way.
func (b *Budget) Check() error {
	var entries, bytes int64
	for _, it := range b.cache.All() {
		entries++
		bytes += it.Cost
	}
	if entries != b.entries.Load() || bytes != b.bytes.Load() {
		return fmt.Errorf("%d entries, %d bytes; counted %d, %d", entries, bytes, b.entries.Load(), b.bytes.Load())
	}
	if weight := int64(b.cache.WeightedSize()); weight != bytes || weight > b.max.Load() {
		return fmt.Errorf("the engine counts %d of %d, it holds %d", weight, b.max.Load(), bytes)
	}
	return nil
}
