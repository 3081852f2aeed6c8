//go:build race

package engine

// defaultSchedules is lower under the race detector, which is ten times slower.
const defaultSchedules = 500
