// Package deploy holds what docs/deploying.md says about a deploy that changes the type of
// the values: each step, by processes of the old and of the new type on one Redis.
package deploy
