// Package swarm owns the tests of a deploy: to three engines of one machine that are a Swarm, under requests, with
// nodes that die and deploys that are killed. They run with the build tag integration, on Linux.
package swarm
