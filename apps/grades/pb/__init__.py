"""Generated from proto/grades/pb by tools/genproto.py."""
