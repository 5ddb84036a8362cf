"""Operations: back-up, restore, replay and the platform's status."""
