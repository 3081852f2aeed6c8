package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// FreeSpace is an amount of room on a disk: a share of its size, or a number of bytes. The zero value is none.
type FreeSpace struct {
	Percent int // 1–99; 0: Bytes counts
	Bytes   uint64
}

// parseFreeSpace reads `15%`, `20GiB` or a number of bytes.
func parseFreeSpace(text string) (FreeSpace, error) {
	if share, isShare := strings.CutSuffix(text, "%"); isShare {
		n, err := strconv.Atoi(strings.TrimSpace(share))
		if err == nil && (n < 1 || n > 99) {
			err = errors.New("out of range")
		}
		if err != nil {
			return FreeSpace{}, err
		}
		return FreeSpace{Percent: n}, nil
	}
	factor := uint64(1)
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if number, has := strings.CutSuffix(text, unit); has {
			text, factor = strings.TrimSpace(number), 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err == nil && (n == 0 || n > math.MaxInt64/factor) {
		err = errors.New("out of range")
	}
	if err != nil {
		return FreeSpace{}, err
	}
	return FreeSpace{Bytes: n * factor}, nil
}

// Of is the amount on a disk of size bytes, in bytes.
func (f FreeSpace) Of(size uint64) uint64 {
	if f.Percent > 0 {
		return size / 100 * uint64(f.Percent)
	}
	return f.Bytes
}

// String is the form parseFreeSpace reads.
func (f FreeSpace) String() string {
	if f.Percent > 0 {
		return fmt.Sprintf("%d%%", f.Percent)
	}
	return strconv.FormatUint(f.Bytes, 10)
}
