package redisstore

import (
	"net"
	"strconv"
)

// slotOf returns the slot of a key without a hash tag in a Redis Cluster: its
// CRC-16 (XMODEM) modulo 16384, as the cluster specification says.
func slotOf(key string) uint16 {
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}

func joinHostPort(host string, port int64) string {
	return net.JoinHostPort(host, strconv.FormatInt(port, 10))
}
