// Command app is the only program of the test image.
//
//	app exit N     ends with exit code N
//	app later D N  ends with exit code N after the duration D
//	app wait       runs until SIGTERM and ends with exit code 0
//	app stubborn   runs until SIGKILL
//	app eat        takes memory until it is killed
//	app check N    as a health check: succeeds when N is 0
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		os.Exit(2)
	}
	fmt.Println("app", os.Args[1:])
	switch os.Args[1] {
	case "later":
		d, err := time.ParseDuration(os.Args[2])
		if err != nil {
			os.Exit(2)
		}
		time.Sleep(d)
		end(os.Args[3])
	case "exit", "check":
		end(os.Args[2])
	case "wait":
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		<-term
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour)
	case "eat":
		var all [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			all = append(all, block)
			_ = len(all)
		}
	default:
		os.Exit(2)
	}
}

func end(code string) {
	n, err := strconv.Atoi(code)
	if err != nil {
		n = 2
	}
	os.Exit(n)
}
