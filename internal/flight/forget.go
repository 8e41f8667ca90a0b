package flight

// Forget hides the calls for key in flight from newcomers, and prevents them from starting
// a Keep; their current waiters still get the result. It does not block. For each running
// Keep it returns a channel that is closed at its end.
func (g *Group[T]) Forget(key string) (keeping []<-chan struct{}) {
	s := g.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.live[key]; c != nil; c = c.next {
		if !c.stands {
			keeping = c.forget(keeping)
		}
	}
	return keeping
}

// Block is Forget that also prevents all calls for key from starting a Keep until Unblock.
// A write between the two is not overwritten by any load, whenever it began. Blocks nest.
func (g *Group[T]) Block(key string) (keeping []<-chan struct{}) {
	s := g.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.block == nil {
		s.block = make(map[string]int)
	}
	s.block[key]++
	return s.forget(key)
}

// Unblock ends a Block, and forgets the calls that began under it.
func (g *Group[T]) Unblock(key string) {
	s := g.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(key)
	if s.block[key]--; s.block[key] <= 0 {
		delete(s.block, key)
	}
}

func (s *shard[T]) forget(key string) (keeping []<-chan struct{}) {
	for c := s.live[key]; c != nil; c = c.next {
		keeping = c.forget(keeping)
	}
	return keeping
}

// ForgetAll forgets every call.
func (g *Group[T]) ForgetAll() (keeping []<-chan struct{}) {
	for i := range g.shards {
		s := &g.shards[i]
		s.mu.Lock()
		for _, c := range s.live {
			for ; c != nil; c = c.next {
				keeping = c.forget(keeping)
			}
		}
		s.mu.Unlock()
	}
	return keeping
}

func (c *Call[T]) forget(keeping []<-chan struct{}) []<-chan struct{} {
	c.forgotten = true
	if c.forgets != nil {
		close(c.forgets)
		c.forgets = nil
	}
	c.leave()
	if c.offer != nil {
		c.offer.stands = false
	}
	if c.keeps {
		if c.keeping == nil {
			c.keeping = make(chan struct{})
		}
		keeping = append(keeping, c.keeping)
	}
	return keeping
}
