def main(args):
    return {"body": f"{__name__} {args.get('name')}"}


if __name__ == "__main__":
    raise SystemExit("this is no program")
