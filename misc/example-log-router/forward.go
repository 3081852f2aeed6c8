package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The protocol of Fluentd's forward input, as Docker's log driver speaks it: MessagePack arrays [tag, time, record] or
// [tag, [[time, record], …]].

// readForward hands each record to deliver, until the connection ends.
func readForward(conn io.Reader, deliver func(tag string, record map[string]any)) error {
	d := &decoder{in: bufio.NewReader(conn)}
	for {
		v, err := d.value(0)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		message, _ := v.([]any)
		if len(message) < 2 {
			return errors.New("a message that is no array of tag and record")
		}
		tag, _ := message[0].(string)
		if entries, several := message[1].([]any); several {
			for _, e := range entries {
				if entry, ok := e.([]any); ok && len(entry) == 2 {
					record(tag, entry[1], deliver)
				}
			}
		} else if len(message) >= 3 {
			record(tag, message[2], deliver)
		}
	}
}

func record(tag string, v any, deliver func(string, map[string]any)) {
	if r, ok := v.(map[string]any); ok {
		deliver(tag, r)
	}
}

// What a message may be at most.
const (
	maxLength = 16 << 20
	maxDepth  = 16
)

var errTooLarge = errors.New("MessagePack: too large")

// decoder reads MessagePack. Map keys become strings, binary strings too.
type decoder struct{ in *bufio.Reader }

func (d *decoder) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooLarge
	}
	b, err := d.in.ReadByte()
	if err != nil {
		return nil, err
	}
	switch {
	case b <= 0x7f:
		return int64(b), nil
	case b <= 0x8f:
		return d.dictionary(uint64(b&0x0f), depth)
	case b <= 0x9f:
		return d.array(uint64(b&0x0f), depth)
	case b <= 0xbf:
		return d.text(uint64(b & 0x1f))
	case b >= 0xe0:
		return int64(int8(b)), nil
	}
	switch b {
	case 0xc0:
		return nil, nil
	case 0xc2, 0xc3:
		return b == 0xc3, nil
	case 0xca:
		n, err := d.number(4)
		return float64(math.Float32frombits(uint32(n))), err
	case 0xcb:
		n, err := d.number(8)
		return math.Float64frombits(n), err
	case 0xcc, 0xcd, 0xce, 0xcf:
		return d.number(1 << (b - 0xcc))
	case 0xd0, 0xd1, 0xd2, 0xd3:
		size := 1 << (b - 0xd0)
		n, err := d.number(size)
		shift := 64 - 8*size
		return int64(n<<shift) >> shift, err
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // a type, and 1 to 16 bytes
		return d.text(1 + 1<<(b-0xd4))
	case 0xc4, 0xc5, 0xc6:
		return d.counted(1<<(b-0xc4), 0)
	case 0xc7, 0xc8, 0xc9:
		return d.counted(1<<(b-0xc7), 1)
	case 0xd9, 0xda, 0xdb:
		return d.counted(1<<(b-0xd9), 0)
	case 0xdc, 0xdd:
		n, err := d.number(2 << (b - 0xdc))
		if err != nil {
			return nil, err
		}
		return d.array(n, depth)
	case 0xde, 0xdf:
		n, err := d.number(2 << (b - 0xde))
		if err != nil {
			return nil, err
		}
		return d.dictionary(n, depth)
	}
	return nil, fmt.Errorf("MessagePack: byte %#x", b)
}

func (d *decoder) number(size int) (uint64, error) {
	var b [8]byte
	_, err := io.ReadFull(d.in, b[8-size:])
	return binary.BigEndian.Uint64(b[:]), noEnd(err)
}

// counted reads a length of so many bytes, and what has it; more is the size of a type in between.
func (d *decoder) counted(size int, more uint64) (any, error) {
	n, err := d.number(size)
	if err != nil {
		return nil, err
	}
	return d.text(n + more)
}

func (d *decoder) text(n uint64) (any, error) {
	if n > maxLength {
		return nil, errTooLarge
	}
	text, err := io.ReadAll(io.LimitReader(d.in, int64(n)))
	if err == nil && uint64(len(text)) < n {
		err = io.ErrUnexpectedEOF
	}
	return string(text), err
}

func (d *decoder) array(n uint64, depth int) (any, error) {
	if n > maxLength {
		return nil, errTooLarge
	}
	var list []any
	for range n {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, noEnd(err)
		}
		list = append(list, v)
	}
	return list, nil
}

func (d *decoder) dictionary(n uint64, depth int) (any, error) {
	if n > maxLength {
		return nil, errTooLarge
	}
	all := map[string]any{}
	for range n {
		key, err := d.value(depth + 1)
		if err != nil {
			return nil, noEnd(err)
		}
		if all[fmt.Sprint(key)], err = d.value(depth + 1); err != nil {
			return nil, noEnd(err)
		}
	}
	return all, nil
}

// noEnd tells an end in the middle of a message from one between two.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
