// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// redis talks to a Redis server over RESP3: commands one by one, in a pipeline, in a
// transaction, and a subscription. It prints how many commands the pipeline had.
func redis(args []string) error {
	flags := flag.NewFlagSet("redis", flag.ExitOnError)
	address := flags.String("address", "", "of the server")
	size := flags.Int("pipeline", 100, "commands in the pipeline")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := goredis.NewClient(&goredis.Options{Addr: *address, Protocol: 3, DB: 2, PoolSize: 1})
	defer c.Close()
	if err := c.Set(ctx, "go:key", "value", 0).Err(); err != nil {
		return err
	}
	if err := c.LPush(ctx, "go:key", "x").Err(); err == nil {
		return errors.New("LPUSH to a string succeeded")
	}
	if err := c.HSet(ctx, "go:hash", "a", 1, "b", 2).Err(); err != nil {
		return err
	}
	if n := len(c.HGetAll(ctx, "go:hash").Val()); n != 2 {
		return fmt.Errorf("HGETALL returned %d fields", n)
	}
	_, err := c.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for range *size {
			p.Incr(ctx, "go:counter")
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = c.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		p.Get(ctx, "go:counter")
		p.Del(ctx, "go:counter")
		return nil
	})
	if err != nil {
		return err
	}
	if err := listen(ctx, c); err != nil {
		return err
	}
	fmt.Println("pipelined", *size)
	return nil
}

// listen subscribes to two channels on a connection of its own, and waits for a message
// on each.
func listen(ctx context.Context, c *goredis.Client) error {
	sub := c.Subscribe(ctx, "go:news", "go:more")
	defer sub.Close()
	for range 2 {
		if _, err := sub.Receive(ctx); err != nil {
			return err
		}
	}
	for _, channel := range []string{"go:news", "go:more"} {
		if err := c.Publish(ctx, channel, "hello").Err(); err != nil {
			return err
		}
		m, err := sub.ReceiveMessage(ctx)
		if err != nil {
			return err
		}
		if m.Channel != channel {
			return fmt.Errorf("a message of %s, want %s", m.Channel, channel)
		}
	}
	return nil
}
