"""Facts: ordered, transactional records. A contract, its implementations, and our tables on it."""
