package main

func Example() {
	main()
	// Output:
	// loading 7
	// user 7 <nil>
	// user 7 <nil>
	// loading 7
	// user 7 <nil>
}
